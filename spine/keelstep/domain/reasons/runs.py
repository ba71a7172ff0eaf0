"""Where does a run stand, and how did it end? The reasons of an Execution."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Runs",
    about=(
        "The reason stands in the column REASON, in the condition Succeeded (Accepted or ResolvedRefs before "
        "the start), and in an Event; that of an end also in exec.finished."
    ),
    reasons=(
        Reason(
            name="Starting",
            meaning="Everything is there, and the log begins.",
            acts=Acts.NOBODY,
            fix="Wait a moment; if it lasts, the operator cannot reach the broker.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="Pinned",
            meaning="Strategy and contracts are pinned: later changes do not touch this run.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="Execution: condition ResolvedRefs",
        ),
        Reason(
            name="StrategyMissing",
            meaning="There is no strategy of that name in this namespace.",
            acts=Acts.AUTHOR,
            fix="Apply the strategy, or delete the run and name another; it heals by itself.",
            shows="Execution: status, ResolvedRefs, Event",
        ),
        Reason(
            name="StrategyPending",
            meaning="The strategy, or one of its tools, has just been applied or changed and is being checked.",
            acts=Acts.NOBODY,
            fix="Wait a moment, for the run starts by itself; if it lasts, the operator does not run.",
            shows="Execution: status, ResolvedRefs, Event",
        ),
        Reason(
            name="StrategyNotReady",
            meaning="The strategy, or one of its tools, is not ready.",
            acts=Acts.AUTHOR,
            fix="See the strategy's own conditions; the run starts by itself.",
            shows="Execution: status, ResolvedRefs, Event",
        ),
        Reason(
            name="InputsInvalid",
            meaning="An input is missing, has no slot in the prompt, or is of another type.",
            acts=Acts.REQUESTER,
            fix="Delete the run and apply it with inputs as the message asks for.",
            shows="Execution: status, Accepted, Event",
        ),
        Reason(
            name="NameInUse",
            meaning="The name belongs to an earlier run that asked for something else.",
            acts=Acts.REQUESTER,
            fix="Choose another name, or delete this one, which ends that run and frees the name.",
            shows="Execution: status, Accepted, Stalled, Event",
        ),
        Reason(
            name="LogRestored",
            meaning="The log came from a backup; what this run did after the backup is in no log, so it is held.",
            acts=Acts.PLATFORM,
            fix="Look into the books of its tools; keelstep suspend, then resume, lets it go on; or cancel it.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="LogFlooded",
            meaning="The runner filled the log with messages that are no events, so the run is held and its identity ended.",
            acts=Acts.PLATFORM,
            fix="Run keelstep verify on it and find out why; keelstep suspend, then resume, lets it go on; or cancel it.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="LogLost",
            meaning="The Execution was there before the log came from a backup, and has no log in it.",
            acts=Acts.PLATFORM,
            fix="Look into the books of its tools, then delete it; applied again, it runs.",
            shows="Execution: status, Accepted, Event",
        ),
        Reason(
            name="IdentitiesExhausted",
            meaning="As many identities of runs have not expired as this tenant, or the broker, may have.",
            acts=Acts.REQUESTER,
            fix="Ask for shorter deadlines, or wait: each counts until its run's deadline, however early the run is over.",
            shows="Execution: Accepted, Event",
        ),
        Reason(
            name="LogArchived",
            meaning="This very run is over, and its log was archived: what is done is not done again.",
            acts=Acts.NOBODY,
            fix="Nothing to do; to have it done once more, choose another name. The archive proves what it did.",
            shows="Execution: status, Event; answers of the views",
        ),
        Reason(
            name="NameUnreadable",
            meaning="What the broker holds under the run's name is no record of this program's.",
            acts=Acts.PLATFORM,
            fix="Upgrade this program if a newer one wrote it; else find out who wrote to the stream NAMES.",
            shows="Execution: status, Accepted, Stalled, Event; answers of the views",
        ),
        Reason(
            name="RunnerStarting",
            meaning="The runner's Pod is on its way.",
            acts=Acts.NOBODY,
            fix="Wait; if it lasts, describe the Pod in status.pod.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="Running",
            meaning="The agent works.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="Progressing",
            meaning="Nothing needs a person.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="Execution: condition Stalled",
        ),
        Reason(
            name="Suspended",
            meaning="Somebody holds the run: spec.suspend is true.",
            acts=Acts.REQUESTER,
            fix="Set spec.suspend to false when it may go on.",
            shows="Execution: status, Event; refusal; exec.suspended",
        ),
        Reason(
            name="Resumed",
            meaning="The run was held and goes on.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="exec.resumed; exec.attempt",
        ),
        Reason(
            name="Completed",
            meaning="The agent gave its final output, and every criterion holds.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="CriteriaNotMet",
            meaning="The agent gave its final output, and a success criterion does not hold.",
            acts=Acts.AUTHOR,
            fix=(
                "See the trace for what was done; correct the prompt, or the criterion that the message "
                "names."
            ),
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="Cancelled",
            meaning="Somebody ended the run in good order with spec.cancel.",
            acts=Acts.NOBODY,
            fix="Nothing to do; to try again, apply a run of another name.",
            shows="Execution: status, Succeeded, Event; refusal; exec.cancelled, exec.finished",
        ),
        Reason(
            name="BeingDeleted",
            meaning="The run was deleted while it went on, which is a cancel.",
            acts=Acts.NOBODY,
            fix="Nothing to do; its log stays.",
            shows="Execution: status, Event; exec.cancelled, exec.finished",
        ),
        Reason(
            name="Deleted",
            meaning="The resource was seen to be deleted while the run went on, which is a cancel.",
            acts=Acts.NOBODY,
            fix="Nothing to do; its log stays.",
            shows="exec.cancelled, exec.finished",
        ),
        Reason(
            name="DeadlineExceeded",
            meaning="The time of the run, or of the call, was up.",
            acts=Acts.REQUESTER,
            fix=(
                "Give more time in deadlineSeconds or limits.wallClockSeconds, and remember that waiting for "
                "people counts."
            ),
            shows="Execution: status, Succeeded, Event; exec.finished; tool.result; model.replied",
        ),
        Reason(
            name="ToolExhausted",
            meaning="A tool came to nothing after its last attempt, and its contract ends the run then.",
            acts=Acts.AUTHOR,
            fix="See the call's result in the trace; failurePolicy.onExhaust of the contract says what follows.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="AttemptsExhausted",
            meaning="Too many attempts in a row did nothing.",
            acts=Acts.PLATFORM,
            fix=(
                "See the last Pod's logs and the message, mend what kept it from working, and apply a run of "
                "another name."
            ),
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="ExecutionKilled",
            meaning="This run was killed; a run's kill is final.",
            acts=Acts.REQUESTER,
            fix="Nothing to lift; see what stands in its trace, for a kill undoes nothing.",
            shows="Execution: status, Succeeded, Event",
        ),
        Reason(
            name="StrategyKilled",
            meaning="The run's strategy was killed.",
            acts=Acts.APPROVER,
            fix="See what stands in its trace; the strategy goes on after its recovery gate is approved.",
            shows="Execution: status, Succeeded, Event",
        ),
        Reason(
            name="TenantKilled",
            meaning="Everything in this namespace was killed, by a label on it.",
            acts=Acts.APPROVER,
            fix="See what stands in its trace; the tenant goes on after its recovery gate is approved.",
            shows="Execution: status, Succeeded, Event",
        ),
        Reason(
            name="BudgetExceeded",
            meaning=(
                "What is spent, reserved, and the most that the next call can cost are together more than "
                "the run may spend."
            ),
            acts=Acts.REQUESTER,
            fix=(
                "Give more in budget.costUSD and limits.costUSD, or bound the call: "
                "model.parameters.maxTokens, the contract's estimatedCostUSD."
            ),
            shows="Execution: status, Succeeded, Event; exec.finished; tool.result",
        ),
        Reason(
            name="ModelCallsExceeded",
            meaning="The run made as many model calls as its strategy allows.",
            acts=Acts.AUTHOR,
            fix="See the trace for what it was busy with; raise limits.modelCalls if that was right.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="StepsExceeded",
            meaning="The run made as many steps as its strategy allows.",
            acts=Acts.AUTHOR,
            fix="See the trace for what it was busy with; raise limits.steps if that was right.",
            shows="Execution: status, Succeeded, Event; exec.finished; tool.result",
        ),
        Reason(
            name="TokensExceeded",
            meaning="The run used as many tokens as its strategy allows.",
            acts=Acts.AUTHOR,
            fix="See the trace for what it was busy with; raise limits.tokens if that was right.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="PromptInvalid",
            meaning="The prompt cannot be rendered with these inputs.",
            acts=Acts.AUTHOR,
            fix="Correct the template, for inputs may be absent where their slot is optional.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="RunEnded",
            meaning="The run is over, so the question or the call has no more use.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ApprovalGate: status, Decided, Event; refusal; tool.result; model.replied",
        ),
        Reason(
            name="Unwound",
            meaning="Everything that the run is to undo is settled, so this attempt has nothing left to do.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="log of the runner",
        ),
        Reason(
            name="EffectsStand",
            meaning="The run ended badly; the message says what was undone of what it did, and what stands.",
            acts=Acts.REQUESTER,
            fix="Undo by hand what should not stand; a contract's compensation does it next time.",
            shows="Execution: Succeeded, Event",
        ),
        Reason(
            name="VoidEvents",
            meaning="The log holds messages that are no events; they changed nothing.",
            acts=Acts.PLATFORM,
            fix="Run keelstep verify on the run, and find out who could write there.",
            shows="Execution: Succeeded, Event",
        ),
        Reason(
            name="Undecidable",
            meaning="The log holds an event of a newer version than this program.",
            acts=Acts.PLATFORM,
            fix="Upgrade the program that says so.",
            shows="Execution: status, Stalled, Event; refusal; log of a program",
        ),
        Reason(
            name="ChildForged",
            meaning="A Pod, Secret, gate or revision has a name of ours and is not ours.",
            acts=Acts.PLATFORM,
            fix=(
                "Delete the object that the message names, and find out who made it. A gate goes only in the "
                "operator's name: `kubectl delete approvalgate NAME "
                "--as=system:serviceaccount:keelstep-system:keelstep-operator`."
            ),
            shows="Execution: status, Stalled, Event; AgentStrategy, ToolContract: Accepted, Killed",
        ),
        Reason(
            name="ChildRefused",
            meaning=(
                "The API server refuses the runner's Pod or Secret, or the gate that may lift a kill: a quota, "
                "Pod Security, or a namespace that goes."
            ),
            acts=Acts.PLATFORM,
            fix="Change what the message names; it is tried again by itself.",
            shows="Execution: status, Stalled, Event; AgentStrategy, ToolContract: Killed, Ready, Event",
        ),
        Reason(
            name="Unspecified",
            meaning="A reason was given that is not one word; only an altered runner does that.",
            acts=Acts.PLATFORM,
            fix="Run keelstep verify on the run, and look at the runner's image.",
            shows="any kind: condition",
        ),
    ),
)
