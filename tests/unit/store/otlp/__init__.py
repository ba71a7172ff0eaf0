"""Spans from events, without a receiver."""
