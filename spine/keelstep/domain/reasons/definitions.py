"""What can be said of a strategy or a contract? What the operator finds that the API server cannot, and their kill."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Strategies and contracts",
    about=(
        "The message names the field. A resource is checked again at every change, and by itself when what "
        "it refers to changes."
    ),
    reasons=(
        Reason(
            name="Accepted",
            meaning=(
                "The content is one that keelstep can work with; of a run: it has begun, and what it asked "
                "for is pinned."
            ),
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="AgentStrategy, ToolContract, Execution: condition Accepted",
        ),
        Reason(
            name="Ready",
            meaning="It is accepted, what it refers to is there, and nothing stops it.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="AgentStrategy, ToolContract: condition Ready, Event",
        ),
        Reason(
            name="Resolved",
            meaning="Everything it refers to is there and accepted.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="AgentStrategy, Execution: condition ResolvedRefs",
        ),
        Reason(
            name="SchemaInvalid",
            meaning=(
                "A schema is no valid JSON Schema 2020-12, refers to something outside itself, or the input "
                "is no object."
            ),
            acts=Acts.AUTHOR,
            fix="Correct the schema that the message names.",
            shows="AgentStrategy, ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="BreakerClosed",
            meaning="The tool works, as far as its circuit breaker shows.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ToolContract: condition Healthy, Event",
        ),
        Reason(
            name="BreakerHalfOpen",
            meaning="The tool kept failing, was left alone for a while, and is being tried.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ToolContract: condition Healthy, Event",
        ),
        Reason(
            name="BudgetInForce",
            meaning="What the namespace may spend in a day has changed, for every call from now on.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="Namespace: Event",
        ),
        Reason(
            name="BudgetInvalid",
            meaning="The Namespace's annotation keelstep.io/daily-budget-usd is no amount; what held before still holds.",
            acts=Acts.PLATFORM,
            fix="Write US dollars as a decimal number, such as 25 or 0.50.",
            shows="Namespace: Event",
        ),
        Reason(
            name="AsReviewed",
            meaning="The MCP server says of the tool again what the contract pins.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ToolContract: Drifted, Event",
        ),
        Reason(
            name="RelatedMissing",
            meaning="A contract names another, to find out or to undo, that the strategy does not list or cannot use so.",
            acts=Acts.AUTHOR,
            fix="List the contract that the message names, or correct the one that names it.",
            shows="AgentStrategy: ResolvedRefs, Ready, Event",
        ),
        Reason(
            name="ExpressionInvalid",
            meaning="An expression (CEL or JMESPath) does not compile, or uses a variable or function that is not there.",
            acts=Acts.AUTHOR,
            fix="Correct the expression; the message names the variables there are.",
            shows="AgentStrategy, ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="PolicyInvalid",
            meaning="The rules of the namespace cannot be used; what held before still holds, and nothing new starts.",
            acts=Acts.PLATFORM,
            fix="Correct the ConfigMap keelstep-policy as the message says; `keelstep policy test` finds it before.",
            shows="ConfigMap: Event; Execution: ResolvedRefs",
        ),
        Reason(
            name="PolicyInForce",
            meaning="The platform's rules hold for every call from now on.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="ConfigMap: Event",
        ),
        Reason(
            name="TemplateInvalid",
            meaning="The prompt does not compile, or uses a slot that is not declared.",
            acts=Acts.AUTHOR,
            fix="Correct the template, or declare the slot in prompt.slots.",
            shows="AgentStrategy: Accepted, Ready, Event",
        ),
        Reason(
            name="SlotReserved",
            meaning="A slot has the name of the goal itself.",
            acts=Acts.AUTHOR,
            fix="Give the slot another name.",
            shows="AgentStrategy: Accepted, Ready, Event",
        ),
        Reason(
            name="ToolNameClash",
            meaning="Two contracts have the same name in the eyes of the model, which knows no dots.",
            acts=Acts.AUTHOR,
            fix="Rename one of the contracts.",
            shows="AgentStrategy: Accepted, Ready, Event",
        ),
        Reason(
            name="UnknownArgument",
            meaning="The address or the idempotency key names an argument that schema.input does not have.",
            acts=Acts.AUTHOR,
            fix="Add the argument to schema.input.properties, or correct the name.",
            shows="ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="AddressInvalid",
            meaning="An address names its host in a form that programs read differently, or names none.",
            acts=Acts.AUTHOR,
            fix="Write a name in its ASCII form, an IPv4 address as four decimal numbers, and no user.",
            shows="ToolContract: Accepted, Ready, Event; tool.result",
        ),
        Reason(
            name="HeaderReserved",
            meaning="A header says where a request begins, ends or goes, which others on its connection rely on.",
            acts=Acts.AUTHOR,
            fix="Leave the header out; the gateway sets it.",
            shows="ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="TransportMissing",
            meaning="The contract does not say how it is called.",
            acts=Acts.AUTHOR,
            fix="Name a transport, such as transport.http.",
            shows="ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="BuiltinMismatch",
            meaning="The contract does not fit the builtin function that it names.",
            acts=Acts.AUTHOR,
            fix="Copy the contract of that function from docs/builtins.md, and narrow it from there.",
            shows="ToolContract: Accepted, Ready, Event",
        ),
        Reason(
            name="ContractMissing",
            meaning="A tool of the strategy is not in this namespace.",
            acts=Acts.AUTHOR,
            fix="Apply the contract, or take the tool off the list; it heals by itself.",
            shows="AgentStrategy: ResolvedRefs, Ready, Event",
        ),
        Reason(
            name="ContractPending",
            meaning="A tool of the strategy has not been checked yet.",
            acts=Acts.NOBODY,
            fix="Wait a moment; if it lasts, the operator does not run.",
            shows="AgentStrategy: ResolvedRefs, Ready",
        ),
        Reason(
            name="ContractNotAccepted",
            meaning="A tool of the strategy is there and is not accepted.",
            acts=Acts.AUTHOR,
            fix="Correct the contract; its own Accepted condition says what is wrong.",
            shows="AgentStrategy: ResolvedRefs, Ready, Event",
        ),
        Reason(
            name="Invalid",
            meaning=(
                "The object breaks a rule of its kind; in a condition: this operator expects another shape "
                "than the installed CRD allows."
            ),
            acts=Acts.PLATFORM,
            fix=(
                "Correct the field that the message names; where a condition says it, install the CRDs of "
                "the operator's version."
            ),
            shows="any kind: Accepted, Ready, Event; refusal of the API server; log of a program",
        ),
        Reason(
            name="Killed",
            meaning=(
                "Its kill switch, or that of a scope around it, is in force: nothing of it begins; the "
                "message says what has ended."
            ),
            acts=Acts.APPROVER,
            fix=(
                "If it may go on: take the switch back, and have the recovery gate named in "
                "status.killSwitch.gate approved."
            ),
            shows="AgentStrategy, ToolContract: condition Killed, Ready, Event; refusal; model.replied",
        ),
        Reason(
            name="KillSpreading",
            meaning="The kill is in force, and runs are still to end or gateways still to confirm.",
            acts=Acts.NOBODY,
            fix="Wait; the message names what is left.",
            shows="AgentStrategy, ToolContract: condition Killed, Ready",
        ),
        Reason(
            name="GatewaysSilent",
            meaning="The kill is in force, but a gateway has not confirmed it in time.",
            acts=Acts.PLATFORM,
            fix="Look at the gateway that the message names, or end it; one that is cut off begins nothing.",
            shows="ToolContract: condition Killed, Ready",
        ),
    ),
)
