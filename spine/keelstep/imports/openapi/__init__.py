"""How does an OpenAPI 3.0 or 3.1 document become contracts, one for each operation?

What is here: `document` (what is in it, references followed), `schemas` (its schemas as JSON Schema 2020-12, whole in
themselves), `parameters`, `bodies`, `answers`, `servers`, `security` (each one aspect of an operation) and `reading` (all
of it). What is not: Swagger 2.0, and anything that is asked of the service itself. Start with `reading`.
"""
