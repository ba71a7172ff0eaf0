"""What do we call things? Every name and label that we give stands here, so that it is said once.

Names are deterministic: creating a child twice finds the first one.
"""

from keelstep.kinds import resource

LABEL_STRATEGY = f"{resource.GROUP}/strategy"
LABEL_EXECUTION = f"{resource.GROUP}/execution"
LABEL_EXECUTION_ID = f"{resource.GROUP}/execution-id"
LABEL_ATTEMPT = f"{resource.GROUP}/attempt"
LABEL_COMPONENT = f"{resource.GROUP}/component"
LABEL_KILL_SWITCH = f"{resource.GROUP}/kill-switch"
"""On a Namespace, `engaged` kills the tenant."""
LABEL_POLICY = f"{resource.GROUP}/policy"
"""On the platform team's ConfigMap: `platform`."""
POLICY_PLATFORM = "platform"
POLICY_CONFIG_MAP = "keelstep-policy"
"""The ConfigMap of a tenant that holds the platform's rules."""
ANNOTATION_KILL_REASON = f"{resource.GROUP}/kill-switch-reason"
ANNOTATION_RETRY_OF = f"{resource.GROUP}/retry-of"
"""On an Execution: the name of the one that it does again; a word for people, nothing is decided by it."""
ANNOTATION_DAILY_BUDGET = f"{resource.GROUP}/daily-budget-usd"
"""On a Namespace: what its runs may spend together in a day (UTC), US dollars."""
"""On a Namespace, why."""
ANNOTATION_CONFORMANCE = f"{resource.GROUP}/conformance"
"""On a ToolContract: the pass of its conformance test that somebody states (`kinds.contract.Attested`, as JSON)."""
COMPONENT_RUNNER = "runner"
CREDENTIALS_SECRET = "keelstep-credentials"  # noqa: S105 a name, not a secret
"""The Secret of a tenant whose keys its contracts may name."""
FIELD_MANAGER = "keelstep-operator"


def pod(execution: str, attempt: int) -> str:
    """The Pod of an execution's attempt."""
    return f"{execution}-a{attempt}"


def identity_secret(execution: str, attempt: int) -> str:
    """The Secret that holds an attempt's broker identity."""
    return f"{execution}-a{attempt}-identity"


def gate(execution: str, request_seq: int) -> str:
    """The ApprovalGate asked by one event of an execution."""
    return f"{execution}-g{request_seq}"


def recovery_gate(scope: str, name: str, control_seq: int) -> str:
    """The ApprovalGate whose approval lifts one kill."""
    return f"lift-{scope.lower()}-{name}-{control_seq}"


def revision(kind: str, name: str, digest: str) -> str:
    """The ControllerRevision that keeps one accepted content."""
    return f"{kind.lower()}-{name}-{digest[:16]}"


def model_tool(contract: str) -> str:
    """A contract's name as models know it: `orders.get` is `orders_get` (names hold no `_`, so it is one to one)."""
    return contract.replace(".", "_")
