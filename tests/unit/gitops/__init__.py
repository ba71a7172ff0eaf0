"""Do Argo CD and Flux show our kinds as they stand, and does what `examples/gitops` holds fit together?

What is here: objects recorded from a real API server (`recorded/`, written by `python -m tests.integration.gitops`) and
what each tool makes of them. What is not: a cluster; that is `tests/integration/gitops`. Start with `test_health`.
"""
