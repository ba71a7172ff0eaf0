"""`python -m hack.demo up|down|status`."""

from hack.demo import cli

cli.app()
