"""Which CamelCase words of the programs are no reasons? Whoever writes a new one decides: here, or in the registry."""

_KINDS = """
AgentStrategy ApprovalGate ControllerRevision Event Execution ExecutionLog ExecutionTrace ExecutionVerification Namespace
Pod Secret SelfSubjectAccessReview SelfSubjectReview Service Status ToolContract ValidatingAdmissionPolicy
ValidatingAdmissionPolicyBinding DeleteOptions PartialObjectMetadata *List
"""
_CONDITIONS = """
ResolvedRefs Stalled Succeeded True False Unknown
"""
_PHASES_AND_VERDICTS = """
Broken Failed Incomplete Pending Scheduled Undecided Unwinding Verified Void WaitingForApproval
"""
_VALUES = """
Background Bearer BearerToken ExternalName Failure Keyed Kill Never None Normal Opaque PerCall ReadOnly Reconcile
RuntimeDefault Singleton Strategy Stream Tenant Tool Warning
"""
_HEADERS_AND_NAMES = """
Accept Authorization Description LiteLLM NoArgsIsHelpError
"""
_READ_FROM_KUBERNETES = """
ContainerCreating DisruptionTarget NodeLost PodScheduled Preempting Terminating
"""

NOT_REASONS = frozenset(
    " ".join(
        (_KINDS, _CONDITIONS, _PHASES_AND_VERDICTS, _VALUES, _HEADERS_AND_NAMES, _READ_FROM_KUBERNETES)
    ).split()
)
