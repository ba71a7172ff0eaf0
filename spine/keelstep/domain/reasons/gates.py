"""What became of a question to a person? The reasons of an ApprovalGate, and of a call that it is about."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Gates and approvals",
    about="A gate asks a person about one exact call, or about lifting a kill. No answer in time is no.",
    reasons=(
        Reason(
            name="ApprovalRequired",
            meaning="A call needs a person's yes, and the run waits for it without a Pod.",
            acts=Acts.APPROVER,
            fix="Decide the gate: its message holds the command.",
            shows="Execution: status, Event; ApprovalGate: status, Decided, Event",
        ),
        Reason(
            name="RecoveryRequired",
            meaning="Something was killed; this asks whether it may go on.",
            acts=Acts.APPROVER,
            fix="Approve once the cause is gone, and take the kill switch back.",
            shows="ApprovalGate: status, Decided, Event",
        ),
        Reason(
            name="Approved",
            meaning="Enough people said yes.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ApprovalGate: status, Decided, Event; gate.decided",
        ),
        Reason(
            name="Rejected",
            meaning="Somebody said no.",
            acts=Acts.NOBODY,
            fix="Nothing to do; the agent is told and goes on without the call.",
            shows="ApprovalGate: status, Decided, Event; gate.decided",
        ),
        Reason(
            name="Expired",
            meaning="A list that is continued belongs to a log that the name no longer has.",
            acts=Acts.REQUESTER,
            fix="Begin the list again.",
            shows="views API",
        ),
        Reason(
            name="GateExpired",
            meaning="Nobody answered in time, which is no.",
            acts=Acts.APPROVER,
            fix=(
                "Decide sooner, or have the author raise approval.deadlineSeconds; a recovery is asked again "
                "at once, by another gate."
            ),
            shows="ApprovalGate: status, Decided, Event; gate.decided; tool.result",
        ),
        Reason(
            name="EvidenceMissing",
            meaning="What a person needs to decide cannot be read, so the question cannot be put.",
            acts=Acts.PLATFORM,
            fix="Restore what the message names, or cancel the run.",
            shows="Execution: status, Stalled, Event",
        ),
        Reason(
            name="NotAsked",
            meaning="The run's log holds no such question.",
            acts=Acts.PLATFORM,
            fix="Delete the gate, and find out who made it.",
            shows="ApprovalGate: status, Decided, Event",
        ),
        Reason(
            name="Decided",
            meaning="It was decided, for a reason that is not one word.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ApprovalGate: status, Decided, Event",
        ),
        Reason(
            name="GateRejected",
            meaning="A person said no to this call.",
            acts=Acts.NOBODY,
            fix="Nothing to do; the message says who and why.",
            shows="tool.result",
        ),
        Reason(
            name="GateWithdrawn",
            meaning="Nobody could be asked about this call, which counts as no.",
            acts=Acts.AUTHOR,
            fix=(
                "See the gate's decision in the trace: ToolNotAllowed, ArgumentsInvalid or ArgumentsTooLarge."
            ),
            shows="tool.result",
        ),
        Reason(
            name="ArgumentsTooLarge",
            meaning="The arguments are more than a person can read, so nobody was asked.",
            acts=Acts.AUTHOR,
            fix="Bound them in schema.input, or have the tool take a reference.",
            shows="gate.decided",
        ),
        Reason(
            name="ApprovalUsed",
            meaning="The approval was used already: it covers one call.",
            acts=Acts.NOBODY,
            fix="Nothing to do; the agent may ask again.",
            shows="tool.result",
        ),
        Reason(
            name="ApprovalMismatch",
            meaning="The approval is for other arguments, or another revision of the contract.",
            acts=Acts.NOBODY,
            fix="Nothing to do; the agent may ask again.",
            shows="tool.result",
        ),
        Reason(
            name="ApprovalLapsed",
            meaning="The approval was given, and not used in time.",
            acts=Acts.APPROVER,
            fix="Nothing to do, or have the author raise approval.validForSeconds.",
            shows="tool.result",
        ),
    ),
)
