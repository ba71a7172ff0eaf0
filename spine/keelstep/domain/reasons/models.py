"""Why is there no usable answer of a model? What ends a run, and what a model is told to correct."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Models",
    about=(
        "They stand in model.replied. What a person must mend ends the run with that reason at once; what "
        "may pass is tried again, and ends it with ModelUnavailable the third time."
    ),
    reasons=(
        Reason(
            name="ModelNotConfigured",
            meaning="No gateway entry matches the model's name, or its key file cannot be read.",
            acts=Acts.PLATFORM,
            fix=(
                "Add the model to the gateway's providers file, or mend the key file, and restart the "
                "gateway."
            ),
            shows="Execution: status, Succeeded, Event; model.replied",
        ),
        Reason(
            name="PriceUnknown",
            meaning="The price table does not list the model, so its cost cannot be bounded.",
            acts=Acts.PLATFORM,
            fix="Add the model to the gateway's price table, and restart the gateway.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="ModelRefused",
            meaning="The provider said no: a wrong key, an unknown model, a parameter it does not take.",
            acts=Acts.PLATFORM,
            fix="See the status in the message; correct key, name or parameters.",
            shows="Execution: status, Succeeded, Event; model.replied",
        ),
        Reason(
            name="ModelReplyInvalid",
            meaning="The provider answered something that is no reply of a model.",
            acts=Acts.PLATFORM,
            fix="See whether the base URL is that of an OpenAI-compatible server.",
            shows="Execution: status, Succeeded, Event; model.replied",
        ),
        Reason(
            name="ModelRateLimited",
            meaning="The provider wants fewer calls.",
            acts=Acts.PLATFORM,
            fix="Nothing at first; if it lasts, raise the limit there, or name fallbacks.",
            shows="model.replied",
        ),
        Reason(
            name="ModelTimeout",
            meaning="The model did not answer in time.",
            acts=Acts.PLATFORM,
            fix="Nothing at first; if it lasts, lower maxTokens, or raise the gateway's model timeout.",
            shows="model.replied",
        ),
        Reason(
            name="ModelUnavailable",
            meaning="The provider failed; as an end: several calls in a row did.",
            acts=Acts.PLATFORM,
            fix="See the routing in the trace; name fallbacks if the provider is often down.",
            shows="Execution: status, Succeeded, Event; exec.finished; model.replied",
        ),
        Reason(
            name="ModelUnreachable",
            meaning="No connection to the provider could be made.",
            acts=Acts.PLATFORM,
            fix="See the base URL in the providers file, and whether the gateway may reach it.",
            shows="model.replied",
        ),
        Reason(
            name="ModelMalformed",
            meaning="The model was corrected and still said nothing usable.",
            acts=Acts.AUTHOR,
            fix="See the reason in the message; a clearer prompt, schema or description, or another model.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="RequestTooLarge",
            meaning="The conversation has grown larger than a request may be.",
            acts=Acts.AUTHOR,
            fix="Bound what tools return with transport.http.response, or lower limits.steps.",
            shows="Execution: status, Succeeded, Event; exec.finished",
        ),
        Reason(
            name="ResponseTooLarge",
            meaning="The answer is larger than is recorded.",
            acts=Acts.PLATFORM,
            fix="Lower maxTokens; of a tool, have it return less.",
            shows="Execution: status, Succeeded, Event; model.replied; tool.result",
        ),
        Reason(
            name="ReplyEmpty",
            meaning="The model said nothing.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: a clearer prompt, or another model.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="ReplyNotAMessage",
            meaning="The recorded reply is no message.",
            acts=Acts.PLATFORM,
            fix="Only if it repeats: see the provider.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="TooManyCalls",
            meaning="The model asked for more calls at once than are taken.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the prompt to go step by step.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="UnknownTool",
            meaning="The model asked for a tool that the strategy does not list.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: list the tool, or do not mention it in the prompt.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="ArgumentsNotJson",
            meaning="The arguments of a call are no JSON object.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: a simpler schema, or another model.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="OutputNotJson",
            meaning="The final answer is not one JSON document, and outputSchema wants one.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: say in the prompt to answer in JSON.",
            shows="message of ModelMalformed; told to the model",
        ),
        Reason(
            name="OutputInvalid",
            meaning=(
                "The final answer does not match outputSchema; of a tool: its answer does not match "
                "schema.output, or cannot be read."
            ),
            acts=Acts.AUTHOR,
            fix=(
                "Of the agent, only if it repeats: a clearer prompt; of a tool, correct schema.output or "
                "transport.http.response."
            ),
            shows="message of ModelMalformed; told to the model; tool.result",
        ),
    ),
)
