"""`make demo`: governed runs on a real local Kubernetes, told with the commands a person would type.

What is here: `parts` (what is started and kept running), `story` and `incident` (what is shown, of which example),
`telling` (how), `tables` (what the runs must look like). What is not: anything keelstep needs elsewhere. Start with `story`.
"""
