"""Forty durable steps in each engine, as its own documentation has it. Run by the peers' own Python, never imported.

Each reads orders as lines of JSON, `{"runs": 10, "at_once": 1}`, and answers each with one line (see `answering`).
"""
