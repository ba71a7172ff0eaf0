"""The runner: one attempt of one execution, the agent's loop.

What is here: `main` (start and end of the process), `loop` (decide, act, again), `ask` (requests to the gateway),
`settings`. What is not: state, secrets, a Kubernetes client, or any decision (`keelstep.domain.turn` decides).
Start with `loop`.
"""
