"""Do the generated CRDs mean what the models say, on a real API server?

What is here: every CEL rule with accepted and refused samples (`samples/`), tables, `kubectl explain`; and `plane`,
the control plane with our CRDs, roles and policies that `tests/integration/policies` uses too.
What is not: what the operator makes of these objects. Start with `test_rules`.
"""
