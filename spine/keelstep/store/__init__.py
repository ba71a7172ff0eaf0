"""The views in Postgres: what a run did, what it cost, and the stored bytes of every message.

What is here: `migrate` (the schemas), `feed` (messages from the stream), `fold` and `rows` (what they mean, as rows),
`ledger` (the one transaction of rows and position), `projector` (all of it in a loop), `rebuild`. What is not: any
truth. The log is the truth; everything here can be dropped and is built again from it. Start with `projector`.
"""
