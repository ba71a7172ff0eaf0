"""What tests stand on: real servers as fixtures, builders of valid logs, conditions with a deadline.

What is here: `broker` (a real nats-server with an installation), `builders` (logs that read as sentences), `eventually`
(wait for a condition). What is not: any fake of a server. Start with `broker`.
"""
