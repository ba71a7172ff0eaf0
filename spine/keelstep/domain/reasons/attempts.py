"""Why does a run get another attempt? The reasons of `exec.attempt`, and of a Pod that does not come up."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Attempts",
    about=(
        "An attempt is one runner Pod's turn. Losing one loses nothing: the next goes on from the log. They "
        "stand in the trace, and in REASON while the next attempt waits."
    ),
    reasons=(
        Reason(
            name="Started",
            meaning="The first attempt.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="exec.attempt",
        ),
        Reason(
            name="GateDecided",
            meaning="A person decided, and the run goes on.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="exec.attempt",
        ),
        Reason(
            name="Unwinding",
            meaning="The run was cancelled or ran out of its limits, and this attempt undoes what it did.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="exec.attempt",
        ),
        Reason(
            name="IdentityRevoked",
            meaning="The resource was missing, its runner was shut out, and it is back.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="exec.attempt",
        ),
        Reason(
            name="RunnerCrashed",
            meaning="The runner's process ended with an error.",
            acts=Acts.PLATFORM,
            fix="If it repeats, see the Pod's logs; the exit code stands in the message.",
            shows="exec.attempt; Execution: status",
        ),
        Reason(
            name="PodLost",
            meaning="The attempt's Pod is gone, or on its way out.",
            acts=Acts.NOBODY,
            fix="If it repeats, find out who deletes Pods here.",
            shows="exec.attempt; Execution: status",
        ),
        Reason(
            name="Evicted",
            meaning="The node, or the scheduler, ended the Pod.",
            acts=Acts.PLATFORM,
            fix="If it repeats, give the runner resources.requests, or the cluster more room.",
            shows="exec.attempt; Execution: status",
        ),
    ),
)
