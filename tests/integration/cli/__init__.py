"""The command `keelstep` as a person runs it: a process of its own, a real API server, real logs."""
