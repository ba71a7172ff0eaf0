"""A whole keelstep on this machine: cluster, broker, operator, gateways, the example's shop and model.

What is here: `platform` (start, kill and find each part in one folder), `programs` (how each is started). Used by the
demo, the benchmarks and the end-to-end tests. What is not: anything an installation elsewhere needs. Start with
`platform`.
"""
