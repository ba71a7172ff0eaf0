"""Why was a tool call not made, or came to nothing? The reasons of `tool.result`, and of a gateway's refusals."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

SUBJECT = Subject(
    title="Tool calls",
    about=(
        "The model is told the reason and decides what to do without the call, so none of these ends a run. "
        "Those marked refusal are not recorded: the runner asks again, or leaves."
    ),
    reasons=(
        Reason(
            name="ToolNotAllowed",
            meaning="The strategy does not list this tool.",
            acts=Acts.AUTHOR,
            fix="List it, if the agent should have it.",
            shows="tool.result; gate.decided",
        ),
        Reason(
            name="ToolKilled",
            meaning="The tool's kill switch is in force.",
            acts=Acts.APPROVER,
            fix="If it may go on: take the switch back, and have its recovery gate approved.",
            shows="tool.result",
        ),
        Reason(
            name="ToolCallsExceeded",
            meaning="The limit on calls, of all tools or of this one, is used up.",
            acts=Acts.AUTHOR,
            fix="See the trace; raise limits.toolCalls or tools[].maxCalls if the calls were right.",
            shows="Execution: status, Succeeded, Event; exec.finished; tool.result",
        ),
        Reason(
            name="PolicyDenied",
            meaning="A rule of the platform or of the contract denies the call.",
            acts=Acts.AUTHOR,
            fix="See the rule that the event names; change it, if the call was right.",
            shows="tool.result; policy.evaluated",
        ),
        Reason(
            name="PolicyUnmatched",
            meaning="The contract has rules, and none of them matches the call.",
            acts=Acts.AUTHOR,
            fix="Add a rule for such calls; the last one may say `true`.",
            shows="tool.result",
        ),
        Reason(
            name="PolicyFailed",
            meaning="A rule could not be evaluated for this call, so nobody knows what it would have said.",
            acts=Acts.AUTHOR,
            fix="Correct the rule that the event names; has() asks for what may be missing.",
            shows="tool.result",
        ),
        Reason(
            name="ArgumentsInvalid",
            meaning="The arguments do not match schema.input.",
            acts=Acts.AUTHOR,
            fix="Only if it repeats: a clearer schema or description.",
            shows="tool.result; gate.decided; message of ModelMalformed",
        ),
        Reason(
            name="ArgumentsUnreadable",
            meaning="The planned arguments are not what their digest says, or larger than 256 KiB.",
            acts=Acts.PLATFORM,
            fix="Of large ones nothing: the model is told. Else run keelstep verify on the run; find out who wrote to the "
            "object store.",
            shows="tool.result",
        ),
        Reason(
            name="Drifted",
            meaning=(
                "The MCP server says something else of the tool than what was reviewed, or does not offer it; the call was "
                "not sent."
            ),
            acts=Acts.AUTHOR,
            fix=(
                "See keelstep contract diff; review what changed and import the tool again, or have the server changed back."
            ),
            shows="tool.result; ToolContract: Drifted, Event",
        ),
        Reason(
            name="OutcomeUnknown",
            meaning="An earlier call of this tool may or may not have happened, so it is not made again.",
            acts=Acts.APPROVER,
            fix="Find out at the tool whether it happened, and settle it there.",
            shows="tool.result; Execution: Succeeded, Event",
        ),
        Reason(
            name="NotHappened",
            meaning="The call's own answer left it open, and the contract's read shows that it did not happen.",
            acts=Acts.NOBODY,
            fix="Nothing; it may be called again.",
            shows="tool.result",
        ),
        Reason(
            name="OwnerLost",
            meaning="The gateway died during the call; the call was taken over, or its outcome is unknown.",
            acts=Acts.PLATFORM,
            fix="Where the result is unknown, find out at the tool whether it happened.",
            shows="tool.retried; tool.result; model.replied",
        ),
        Reason(
            name="RequestInvalid",
            meaning=(
                "The contract makes no valid HTTP request of these arguments; as a refusal: the runner's "
                "request cannot be read."
            ),
            acts=Acts.AUTHOR,
            fix=(
                "Correct url, headers or body of the contract; as a refusal, run runner and gateway of one "
                "version."
            ),
            shows="tool.result; refusal",
        ),
        Reason(
            name="CredentialsMissing",
            meaning="The Secret keelstep-credentials has no key of that name.",
            acts=Acts.AUTHOR,
            fix="Add the key to the Secret, or correct credentials in the contract.",
            shows="tool.result",
        ),
        Reason(
            name="CredentialsUnavailable",
            meaning="The gateway cannot read the tenant's Secret.",
            acts=Acts.PLATFORM,
            fix="Create keelstep-credentials, and the RoleBinding that lets the gateway read it.",
            shows="tool.result",
        ),
        Reason(
            name="CertificateInvalid",
            meaning="What the Secret holds as certificate, key or authority is not PEM, or the two do not belong together.",
            acts=Acts.AUTHOR,
            fix="Correct the Secret's keys that credentials names.",
            shows="tool.result",
        ),
        Reason(
            name="TokenRefused",
            meaning="The issuer of the access token refused, or answered no bearer token.",
            acts=Acts.AUTHOR,
            fix="Correct credentials.oauth2 or the client's secret, or have the issuer grant the scopes.",
            shows="tool.result",
        ),
        Reason(
            name="TokenUnavailable",
            meaning="The issuer of the access token could not be asked; the call was not sent.",
            acts=Acts.PLATFORM,
            fix="See whether the issuer runs and the gateway may reach it.",
            shows="tool.result",
        ),
        Reason(
            name="EgressRefused",
            meaning=(
                "The address is, or leads to, a place that no contract may reach: this machine, the cluster, a "
                "private network, metadata."
            ),
            acts=Acts.PLATFORM,
            fix="If the tool is meant to be there, list its network or name in KEELSTEP_EGRESS_ALLOWED.",
            shows="tool.result",
        ),
        Reason(
            name="RedirectRefused",
            meaning="The tool redirected more often than the contract allows, or where it does not lead.",
            acts=Acts.AUTHOR,
            fix="Correct the address, or set maxRedirects and redirectHosts.",
            shows="tool.result",
        ),
        Reason(
            name="TlsFailed",
            meaning="The tool's certificate is not one that the call trusts, or no encryption could be agreed on.",
            acts=Acts.AUTHOR,
            fix="Correct the tool's certificate, or name its authority in credentials.caCertificate.",
            shows="tool.result",
        ),
        Reason(
            name="ToolFailed",
            meaning="The tool's answer says that the call failed: an error of MCP, or what the contract takes for one.",
            acts=Acts.AUTHOR,
            fix=(
                "See the tool's own log; set failurePolicy.notPerformedWhen, or transport.mcp.onError, if such an "
                "answer proves that nothing happened."
            ),
            shows="tool.result; tool.retried",
        ),
        Reason(
            name="InputRequired",
            meaning="The MCP server wants to ask a person or a model in the middle of a call, which nobody answers.",
            acts=Acts.AUTHOR,
            fix="Call a tool that needs no answer, or give it what it asks for as arguments.",
            shows="tool.result",
        ),
        Reason(
            name="CommandRefused",
            meaning="The installation does not let contracts run this command, or set one of its variables.",
            acts=Acts.PLATFORM,
            fix="If it may be run with the gateway's own rights, list it in KEELSTEP_STDIO_COMMANDS.",
            shows="tool.result",
        ),
        Reason(
            name="ConnectionFailed",
            meaning="No connection to the tool could be made, or it broke before the answer.",
            acts=Acts.PLATFORM,
            fix="See whether the tool runs and the gateway may reach it.",
            shows="tool.result",
        ),
        Reason(
            name="Timeout",
            meaning="The tool did not answer in time.",
            acts=Acts.AUTHOR,
            fix=(
                "Raise timeoutSeconds, or make the tool faster; where the result is unknown, find out "
                "whether it happened."
            ),
            shows="tool.result",
        ),
        Reason(
            name="RateLimited",
            meaning="The tool wants fewer calls.",
            acts=Acts.AUTHOR,
            fix="Add RateLimited to failurePolicy.retryable, or ask for a higher limit there.",
            shows="tool.result",
        ),
        Reason(
            name="LimitReached",
            meaning="The call has waited for its turn as long as it may: at a rate or a concurrency of its contract, or "
            "because the tool asked for fewer calls.",
            acts=Acts.AUTHOR,
            fix="Nothing at first, it is asked again; if it lasts, raise budgets of the contract, or make fewer calls.",
            shows="refusal; tool.result",
        ),
        Reason(
            name="BreakerOpen",
            meaning="The tool failed call after call and is left alone for a while.",
            acts=Acts.PLATFORM,
            fix="Nothing at first, it is tried again by itself; see the tool, and the contract's condition Healthy.",
            shows="tool.result; ToolContract: Healthy, Event",
        ),
        Reason(
            name="TenantBudgetExceeded",
            meaning="What the namespace may spend today does not cover the call.",
            acts=Acts.PLATFORM,
            fix="Raise the annotation keelstep.io/daily-budget-usd of the Namespace, or wait until tomorrow (UTC).",
            shows="Execution: status, Succeeded, Event; exec.finished; tool.result",
        ),
        Reason(
            name="Unavailable",
            meaning="The tool answered with a status of 500 or more.",
            acts=Acts.AUTHOR,
            fix=(
                "See the tool; list the status in failurePolicy.notPerformed if it proves that nothing "
                "happened."
            ),
            shows="tool.result",
        ),
        Reason(
            name="Refused",
            meaning="The tool answered with a status of 400 or more.",
            acts=Acts.AUTHOR,
            fix=(
                "See the status in the message; list it in failurePolicy.notPerformed if it proves that "
                "nothing happened."
            ),
            shows="tool.result",
        ),
        Reason(
            name="NotMade",
            meaning="The call was planned and has not been made.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="told to the model",
        ),
        Reason(
            name="KeyBusy",
            meaning="An equal call of the run is in flight.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is asked again.",
            shows="refusal",
        ),
        Reason(
            name="OutOfOrder",
            meaning="An earlier call of the plan is not done.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is asked again.",
            shows="refusal",
        ),
        Reason(
            name="ModelCallOpen",
            meaning="This model call is in flight.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is asked again.",
            shows="refusal",
        ),
        Reason(
            name="GatePending",
            meaning="The run waits for a person.",
            acts=Acts.NOBODY,
            fix="Nothing to do here; decide the gate.",
            shows="refusal",
        ),
        Reason(
            name="Superseded",
            meaning="A newer attempt, or a newer plan, has taken over.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="refusal; log of the runner",
        ),
        Reason(
            name="NotBegun",
            meaning="As far as this gateway has read, the run or the attempt has not begun.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is asked again.",
            shows="refusal",
        ),
        Reason(
            name="NotPinned",
            meaning="The runner asked for a revision that its run did not pin.",
            acts=Acts.PLATFORM,
            fix="Look at the runner's image: ours never does.",
            shows="refusal",
        ),
        Reason(
            name="Busy",
            meaning="The gateway has enough to do, or runs as many MCP servers as it may.",
            acts=Acts.PLATFORM,
            fix="Nothing at first; if it lasts, run more gateways, or raise KEELSTEP_STDIO_PROCESSES.",
            shows="refusal; tool.result",
        ),
        Reason(
            name="ClaimClosed",
            meaning="The call was settled by another gateway before it was sent.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="log of the gateway",
        ),
        Reason(
            name="ClaimTakenOver",
            meaning="Another gateway took the call over before it was sent.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="log of the gateway",
        ),
        Reason(
            name="ControlUnavailable",
            meaning="The gateway does not know what is killed at this moment, so nothing begins.",
            acts=Acts.PLATFORM,
            fix="Nothing at first; if it lasts, see the gateway's connection to the broker.",
            shows="refusal; tool.result; model.replied",
        ),
    ),
)
