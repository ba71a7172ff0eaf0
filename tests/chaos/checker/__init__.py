"""Did anything get lost, happen twice, or stay behind? Judged from outside, by code that shares nothing with the fold.

`evidence` reads what everybody left: the log by raw direct gets, the shop's own ledger, Postgres by SQL, the API server
and the broker's list of revoked tokens. `chain` walks the log by hand, and `rules` names what is wrong. Nothing here
imports any of keelstep's own code; a test says so. What is not here: which faults were made, and what a run should do.
"""
