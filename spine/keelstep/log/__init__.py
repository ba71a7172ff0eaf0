"""Where events are kept: NATS JetStream, read and appended to under a fence.

What is here: `spine` (read, fold and append to one execution's log), `objects` (payloads by digest), `names` (which log a
name belongs to), `control` (what is stopped), `follow` (who changed), `subjects`, `connection`, `streams`,
`identities` and `installation` (who may speak). What is not: any decision about an execution (`keelstep.domain`).
Start with `spine`.
"""
