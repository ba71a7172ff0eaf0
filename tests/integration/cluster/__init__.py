"""The local Kubernetes, up and down, and its process node."""
