"""The views API: traces, logs and verification of executions, served as resources of the Kubernetes API.

What is here: an aggregated API server. `main` is the program, `server` speaks HTTP, `source` reads the spine, `history`
folds it, `economics` and `verification` judge it, `presentation` shapes answers and `resources` says what they look like.
What is not: any decision, any write, any right (the kube-apiserver asks RBAC before it forwards). Start with `server`.
"""
