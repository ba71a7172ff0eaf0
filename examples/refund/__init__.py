"""The first example: a support agent that may refund a customer, and the shop it works for.

What is here: a small real shop (`service`), a scripted model server (`model`), the manifests a person applies
(`manifests/`, filled in by `render`) and both servers as test fixtures (`testing`). Nothing here imports keelstep:
the platform meets this example over HTTP and through Kubernetes resources only. Start with `README.md`.
"""
