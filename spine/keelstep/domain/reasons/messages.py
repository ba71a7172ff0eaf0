"""Why is a stored message no event? The reasons for which it is void."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Void messages",
    about=(
        "A void message changed nothing. Somebody who could write to the log tried to: keelstep verify names "
        "the message and its writer, and the metric keelstep_void_messages_total counts them."
    ),
    reasons=(
        Reason(
            name="NotAnEvent",
            meaning="Its bytes are no event.",
            acts=Acts.PLATFORM,
            fix="Find out who writes there; the identity stands in the subject.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="ForeignSubject",
            meaning="It names another run than the one on whose subject it lies.",
            acts=Acts.PLATFORM,
            fix="Find out who writes there.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="OutOfSequence",
            meaning="Its number does not follow the last event's.",
            acts=Acts.PLATFORM,
            fix="Find out who writes there; if verify shows gaps, restore the stream.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="BrokenChain",
            meaning="It does not name the hash of the event before it.",
            acts=Acts.PLATFORM,
            fix="Find out who writes there; if events are missing, restore the stream.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="WrongWriter",
            meaning="This writer may not write such an event.",
            acts=Acts.PLATFORM,
            fix="Look at the program that has this identity.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="OldAttempt",
            meaning="It belongs to an attempt that is not the current one.",
            acts=Acts.PLATFORM,
            fix="Look at the runner's image: ours never writes it.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="UnknownType",
            meaning="A runner wrote an event that its version does not have.",
            acts=Acts.PLATFORM,
            fix="Look at the runner's image: ours never writes it.",
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="Unsigned",
            meaning="It is not signed by the writer on whose subject it lies.",
            acts=Acts.PLATFORM,
            fix=(
                "See whether every program has the same keyring; if so, somebody has that writer's broker "
                "identity."
            ),
            shows="keelstep verify, keelstep log, metric",
        ),
        Reason(
            name="NotAllowed",
            meaning="It may not happen in the state of the run, such as a claim without an approval.",
            acts=Acts.PLATFORM,
            fix="Look at the program that has this identity: ours never writes it.",
            shows="keelstep verify, keelstep log, metric",
        ),
    ),
)
