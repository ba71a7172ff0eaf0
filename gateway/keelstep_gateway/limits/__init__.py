"""How do gateways together keep to the limits of tools and budgets?

Here: `line` (who may begin next, in an order that is fair to tenants), `breakers` (tools that are left alone), `purse`
(what a tenant may spend in a day), and `limiter`, which puts them around one call. What a limit says is decided in
`keelstep.domain`, the records that all gateways share are in `keelstep.log.limits`. Start with `limiter`.
"""
