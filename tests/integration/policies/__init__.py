"""Do the admission policies and roles of `policies/` allow and refuse exactly what they should?

What is here: every sample of `policies/samples` sent to a real API server, every role's rights as a whole, and what
must go on working with the policies in force. What is not: the rules of the CRDs (`tests/integration/kinds`).
Start with `test_admission`.
"""
