"""How do a service's own documents become contracts that a person reviews?

What is here: `draft` (a contract in the making, with the reason for each line), `page` (its YAML), `naming`, `effects`
(what a call may do), `source` (files and addresses) and a package for each kind of document, `openapi` and `mcp`. What is
not: anything that applies a contract; what is inferred here is a proposal, the worst case unless the document says better.
Start with `openapi.reading`.
"""
