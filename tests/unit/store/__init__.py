"""Rows and folds of the projector, without a server."""
