"""Why has a builtin no answer? The reasons of a runner's own `tool.result`."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Builtins",
    about=(
        "Pure functions that the runner evaluates itself (see builtins.md). The model is told the reason and may ask "
        "again with other arguments, so none of these ends a run; the same arguments give the same answer for ever."
    ),
    reasons=(
        Reason(
            name="DivisionByZero",
            meaning="The divisor is zero.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the prompt what to do with nothing to divide by.",
            shows="tool.result",
        ),
        Reason(
            name="NumberTooLarge",
            meaning="The answer has more digits than a number may have.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: have the agent round with scale.",
            shows="tool.result",
        ),
        Reason(
            name="TimeInvalid",
            meaning="A time is not RFC 3339, not as its pattern says, or outside the years 1 to 9999.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the prompt or in the schema how times are written.",
            shows="tool.result",
        ),
        Reason(
            name="DurationInvalid",
            meaning="A duration is not ISO 8601, or does not fit the time it is added to.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the schema's description how durations are written.",
            shows="tool.result",
        ),
        Reason(
            name="PatternInvalid",
            meaning="A pattern has an unknown directive, or does not name what is needed.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: fix the pattern in the schema, with enum or const.",
            shows="tool.result",
        ),
        Reason(
            name="QueryInvalid",
            meaning="An expression is not JMESPath; the message says where.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: fix the expression in the schema, with enum or const.",
            shows="tool.result",
        ),
        Reason(
            name="QueryFailed",
            meaning="An expression fails on this document: a function got a value that it does not take.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: correct the expression, or present.select, or what the document is made of.",
            shows="tool.result; told to the model",
        ),
        Reason(
            name="QueryTooCostly",
            meaning="A document is too large, or an expression takes too many steps on it.",
            acts=Acts.AUTHOR,
            fix="Have the tool return less, or select in smaller parts.",
            shows="tool.result",
        ),
        Reason(
            name="ResultMissing",
            meaning="The run has no output of that number, or the model may see nothing of it.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the description where the number stands.",
            shows="tool.result",
        ),
        Reason(
            name="OffsetTooLarge",
            meaning="A page begins behind the end of the output.",
            acts=Acts.NOBODY,
            fix="Nothing to do; the model is told how many bytes there are.",
            shows="tool.result",
        ),
        Reason(
            name="ResultTooLarge",
            meaning="An answer is larger than a conversation should carry.",
            acts=Acts.AUTHOR,
            fix="Select less of it.",
            shows="tool.result",
        ),
    ),
)
