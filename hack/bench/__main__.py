"""`python -m hack.bench [--only NAME] [--smoke] [--output table|json]`."""

from hack.bench import cli

cli.app()
