"""The `keelstep` command, also installed as the kubectl plugin `kubectl-keelstep`.

What is here: `main` (start, errors, exit codes), `session` (who asks, where), `access` (the Kubernetes API as a person),
`show` (tables, JSON, YAML) and `commands`, one module per command. What is not: anything a person could not do with
kubectl and their own rights; nothing is decided here. Start with `main`.
"""
