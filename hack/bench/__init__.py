"""The numbers: what one step, one run and a thousand runs cost, on the machine this is run on.

What is here: `cli` (`make bench`), `catalogue` (which benches there are), `benches/` (one module each), and what they
share: `samples` (percentiles), `result` (the JSON), `machine` (where it ran), `calm` (who else was working), `stage` (a
whole keelstep, started when the first bench asks), `crowd` and `pool` (hundreds of runs on it), `agents` (runs without
Kubernetes), `tool` (one that answers at once), `peers/` (the engines beside). What is not: a test; no bench asserts a
time. Start with `catalogue`.
"""
