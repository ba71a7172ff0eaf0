"""What follows from what was recorded: pure functions, no I/O, no clock, no randomness.

What is here: `execution` (fold a log: `advance`, `evolve`), `validity` (is a message an event?), `state` (what a fold
knows), `turn` (what a runner does next), `call` (what a gateway may do), `contract`, `tier`, `money`, `template`,
`schema`, `cel`. What is not: anything that reads, writes, waits or knows the time. Start with `execution`.
"""
