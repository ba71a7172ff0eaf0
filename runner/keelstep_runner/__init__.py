"""The runner: one attempt of one execution, the agent's loop.

What is here: `main` (the way in; `lean` keeps it quick), `process` (start and end), `loop` (decide, act, again), `ask`
(requests to the gateway), `payloads` (what events name), `builtins` (calls of pure functions), `settings`. What is not:
state, secrets, a Kubernetes client, or any decision (`keelstep.domain.turn` decides). Start with `loop`.
"""
