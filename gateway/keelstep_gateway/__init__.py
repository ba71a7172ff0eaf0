"""The gateway, the hands of an agent: it claims, performs and records what a run is allowed to do.

What is here: `calls` (what runners ask), `toolcalls`, `undocalls` and `modelcalls` (what is wished for), `wishes` (gather,
decide, apply), `perform` (one claim, done), `takeover` and `sweep` (claims whose owner is gone), `records` (the events it
writes), the adapters `models`, `transports` and `credentials`. What is not: any decision; those are in
`keelstep.domain.call`. Start with `main`.
"""
