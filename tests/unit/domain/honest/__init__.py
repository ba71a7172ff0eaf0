"""An honest world in one process: an operator, gateways and runners that take turns, read stale logs, and die.

Everything is decided by the programs' own pure functions; these files play broker, network, clock and fate. Each actor
is a generator that stops wherever it could be interrupted. Start with `lives`.
"""
