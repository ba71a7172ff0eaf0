"""The functions that a runner evaluates itself: decimal arithmetic, dates, JSON selection.

What is here: `evaluation` (a contract and its arguments in, an outcome out), `registry` (which functions there are),
`function` (what each must say of itself), and the functions: `arithmetic`, `dates` with `durations` and `patterns`,
`selection` with `query`. What is not: I/O, a clock, randomness, floats of money. Start with `evaluation`.
"""
