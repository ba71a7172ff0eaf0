"""Which CamelCase words of the programs are no reasons? Whoever writes a new one decides: here, or in the registry."""

_KINDS = """
AgentStrategy ApprovalGate ConfigMap ControllerRevision CustomResourceDefinition Deployment Event Execution
ExecutionLog ExecutionTrace ExecutionVerification Namespace Lease PersistentVolume PlatformPolicy Pod Secret
SelfSubjectAccessReview SelfSubjectReview Service Status StorageClass ToolContract ValidatingAdmissionPolicy
ValidatingAdmissionPolicyBinding DeleteOptions PartialObjectMetadata *List
"""
_CONDITIONS = """
Available Healthy ResolvedRefs Stalled Succeeded True False Unknown
"""
_PHASES_AND_VERDICTS = """
Archived Broken Due Failed Incomplete Kept Open Over Pending Purged Scheduled Undecided Unnamed Verified Void
WaitingForApproval
"""
_VALUES = """
Exhausted Run
Background Basic Break Bearer BearerToken ExternalName Failure Form GiB Keyed KiB MiB Kill Multipart Never None Normal
Call CallAgain Compare Undone
NotPerformed Opaque PerCall Publish ReadOnly Reconcile RuntimeDefault Singleton Strategy Stream Tenant Tool Warning
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
