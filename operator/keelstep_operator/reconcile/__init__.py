"""What is true now, what follows, and let it be so: one module per kind, each gather → decide → apply.

What is here: `execution` (with `gather` and `apply` of its own), `strategy`, `contract`, `gate`, `tenant`, `kill` (what
the last four share), `route` (which key goes to which). What is not: any rule; those are in `decide`.
Start with `execution`.
"""
