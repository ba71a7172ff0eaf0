"""keelstep: AI agents as governed Kubernetes resources; every step an event, every effect under a contract.

What is here: everything the programs share. Start with `kinds` (what a person applies), then `events` (what is
recorded), `domain` (what follows from it: pure functions) and `log` (where it is kept).
What is not: the programs themselves (`keelstep_operator`, `keelstep_gateway`, `keelstep_runner`).
"""
