"""Crash tests: whole executions with a program killed at a named point."""
