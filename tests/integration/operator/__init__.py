"""The operator against a real broker and a real API server."""
