"""Logs that leave the stream: one file for each execution, which proves by itself what the run did.

What is here: `file` (how an archive is written down), `gather` and `compose` (a log with its payloads, from the broker into
a file), `proof` (is a file whole, and does its log hold), `retention` (archive, prove, and only then purge), `main` (that as
a job), `rows` (back into the tables of Postgres), `orphans` (what nothing stands for). What is not: any decision about a
run; what is archived is over. Start with `retention`.
"""
