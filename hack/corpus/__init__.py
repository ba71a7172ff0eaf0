"""Logs of real runs, kept for ever: every later version must read them as the version did that wrote them.

`kept` is the file of one log, `expectation` what a log comes to, `record` plays the runs on a whole keelstep. The files
stand in tests/corpus and are never edited. Start with `record`.
"""
