"""The views API behind a real kube-apiserver, over logs on a real nats-server."""
