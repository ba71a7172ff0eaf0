"""The operator, the law: resources in, log events, Pods and status out.

What is here: `main` (the process), `watch` (what changed), `queue` (one reconcile per key at a time), `reconcile` (one
module per kind: gather, decide, apply), `decide` (pure), and what they write with: `status`, `pods`, `recorder`.
What is not: any call of a model or a tool, and any credential but the operator's own. Start with `reconcile.execution`.
"""
