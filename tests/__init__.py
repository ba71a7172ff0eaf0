"""Tests. `unit` needs no server; `integration` real ones; `e2e` and `chaos` whole executions."""
