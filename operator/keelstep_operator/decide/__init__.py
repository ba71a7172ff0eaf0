"""What follows from what is true now? Pure decisions: facts in, data out; no clock, no I/O, no randomness.

What is here: `execution` (the life of a run) with its parts `start`, `attempt`, `gate`; `phase` (what people see);
`definition` (strategies and contracts); `kill` (latched kills). What is not: how facts are gathered or decisions
applied (`reconcile`). Start with `execution`.
"""
