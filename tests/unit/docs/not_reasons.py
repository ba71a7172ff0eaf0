"""Which CamelCase words of the programs are no reasons? Whoever writes a new one decides: here, or in the registry."""

_KINDS = """
AgentStrategy ApprovalGate ControllerRevision Event Execution ExecutionLog ExecutionTrace ExecutionVerification Namespace
Lease Pod Secret SelfSubjectAccessReview SelfSubjectReview Service Status ToolContract ValidatingAdmissionPolicy
ValidatingAdmissionPolicyBinding DeleteOptions PartialObjectMetadata *List
"""
_CONDITIONS = """
ResolvedRefs Stalled Succeeded True False Unknown
"""
_PHASES_AND_VERDICTS = """
Broken Failed Incomplete Pending Scheduled Undecided Unwinding Verified Void WaitingForApproval
"""
_VALUES = """
Background Basic Bearer BearerToken ExternalName Failure Form Keyed Kill Multipart Never None Normal
NotPerformed Opaque PerCall ReadOnly Reconcile RuntimeDefault Singleton Strategy Stream Tenant Tool Warning
"""
_OF_BUILTINS = """
April August December February Friday January July June March May Monday November October Saturday September Sunday
Thursday Tuesday Wednesday
Ceiling Down Floor HalfDown HalfEven HalfUp P1M P33D Up
"""
_HEADERS_AND_NAMES = """
Accept Authorization Description LiteLLM Location NoArgsIsHelpError
"""
_OF_CONFORMANCE = """
AfterCut Answers AtOnce Compensation CutAfter CutBefore Definition EdgeArguments Examples HangAfter HangBefore Idempotency
NotProven Passed Recorded Repeated Retryable Skipped
"""
_READ_FROM_KUBERNETES = """
ContainerCreating DisruptionTarget NodeLost PodScheduled Preempting Terminating
"""

NOT_REASONS = frozenset(
    " ".join(
        (
            _KINDS,
            _CONDITIONS,
            _PHASES_AND_VERDICTS,
            _VALUES,
            _OF_BUILTINS,
            _OF_CONFORMANCE,
            _HEADERS_AND_NAMES,
            _READ_FROM_KUBERNETES,
        )
    ).split()
)
