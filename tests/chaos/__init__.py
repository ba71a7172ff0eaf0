"""The crash matrix: every fault at every boundary of whole executions, judged by a checker of its own.

    scenarios   the runs that are disturbed, their `stories`; `play` acts for their people, `script.yaml` and
                `manifests.yaml` are theirs
    faults      what goes wrong; `links` cuts connections, `launch` lets a program be stopped anywhere
    cases       scenario × boundary × fault, chosen by a seed; `boundaries.json` is what each scenario passes
    matrix      plays and judges a case on a `stage`; `report` counts
    checker     what is wrong with a run, from outside
    defects     programs made wrong on purpose; `proofs` has the run that shows each to the checker

`python -m tests.chaos --seed 7 --sample 60` plays a sample, `--only ID` one case, nothing all of them. `test_smoke` kills
programs around one refund. What is not here: the protocol explored as a model (`tests/model`).
"""
