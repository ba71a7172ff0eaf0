"""What is recorded: events, their bytes, their chain and their signatures.

What is here: `types` (every event's data), `envelope` (bytes, decoding, hash chain), `value` (payloads that may be
erased), `signing` (who vouches), `clock` (points in time as text and numbers), `frame` (events in transit).
What is not: what follows from an event (`keelstep.domain`) or where it is kept (`keelstep.log`). Start with `types`.
"""
