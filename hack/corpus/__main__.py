"""`python -m hack.corpus record NAME…`: play runs of the example on a whole keelstep, and keep their logs."""

from hack.corpus.cli import app

app()
