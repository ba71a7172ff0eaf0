"""Whole executions on a real API server, scheduler and node."""
