"""Tests against the real nats-server, Postgres and kube-apiserver."""
