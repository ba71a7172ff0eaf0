"""What follows from what was recorded: pure functions, no I/O, no clock, no randomness.

What is here: `execution` (fold a log: `advance`, `evolve`), `validity` (is a message an event?), `state` (what a fold
knows), `turn` (what a runner does next), `call` and `takeover` (what a gateway may do), `outcome` (what a tool's
answer means), `trace` (how an event is shown), `contract`, `tier`, `money`, `template`,
`schema`, `cel`. What is not: anything that reads, writes, waits or knows the time. Start with `execution`.
"""
