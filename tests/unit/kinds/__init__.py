"""Do the kinds become CRDs that say what the models say?

What is here: the converter on small models, the four CRDs as a whole, the generator's command line, and the list of
spec fields with the tests of their behaviour. What is not: what an API server makes of them
(`tests/integration/kinds`). Start with `test_structural`.
"""
