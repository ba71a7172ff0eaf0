"""Prometheus itself, on our rules."""
