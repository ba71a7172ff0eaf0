"""The projector against a real nats-server and a real Postgres: what it writes, when it dies, and when it must stop.

`stage` plays logs into a stream and runs projectors; `samples` are the logs with known answers.
"""
