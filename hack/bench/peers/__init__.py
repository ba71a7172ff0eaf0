"""The durable-execution engines that a user would pick instead, on the same machine in the same run.

What is here: `environment` (their packages, in a folder of their own under the cache), `peer` (one that runs), `catalogue`
(which there are), `programs/` (the same forty steps in each, as its own documentation has it). What is not: anything
that keelstep needs. Start with `catalogue`.
"""
