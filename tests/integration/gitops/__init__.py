"""Can everything be kept in Git? A real API server, the operator as it is installed, and kubectl as Argo CD uses it.

What is here: every standing that Argo CD and Flux may meet, as it comes about (`scenes`), and manifests that are applied
again and again. What is not: Argo CD or Flux themselves. Start with `test_apply`.
"""
