"""The protocol as a small state machine, explored to its last state.

Everything a program decides here is decided by that program's own pure functions; these files only say who may act
when, what a fault does, and what must never be seen. Start with `protocol` (one run) and `naming` (one name); `defects`
are the ways in which the protocol could be wrong, each of which must be caught. What it proves and what not is in
`docs/protocol.md`. Nothing here talks to a server.
"""
