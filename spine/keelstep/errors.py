"""What can go wrong, and who must act?

    KeelstepError
    ├── Stalled                    a person must act: retrying changes nothing
    │   ├── UndecidableError         the log holds an event this program does not know
    │   ├── NameInUseError           the name belongs to another run
    │   ├── LogArchivedError         this run is over, and its log is in an archive
    │   ├── NameUnreadableError      what is recorded under a name is no record
    │   ├── IdentityRefusedError     the broker does not accept these credentials
    │   ├── InstallationError        the folder is no complete installation
    │   ├── StreamDiffersError       a stream is missing or not what the spine needs
    │   ├── ObjectForgedError        the store holds other bytes than the digest names
    │   ├── ClockSkewError           this machine's clock is not the broker's
    │   └── ControlConflictError     what a person decided about has changed since
    ├── Waiting                    nobody must act: it is tried again
    ├── BrokerError                the broker refused or could not be asked
    │   ├── BrokerUnavailableError   no answer in time; whether it happened is unknown
    │   ├── BrokerClosedError        the connection is closed for good
    │   ├── LogFullError             the log takes no event any more
    │   └── ControlUnavailableError  nobody knows what is stopped, so nothing may begin
    ├── FencedError                somebody newer owns the run
    ├── LeaseLostError             another operator may work now: this one must end
    ├── ClusterReplacedError       the API server's memory is another one: this program must begin anew
    ├── EventTooLargeError         an event does not fit the stream
    ├── OwnEventVoidError          what this program stored is no valid event: a fault of ours
    ├── PayloadMissingError        a payload that an event names is not in the store
    ├── KubeError                  the API server refused
    │   ├── NotFoundError            there is no such object
    │   ├── AlreadyExistsError       there is one of that name
    │   ├── ConflictError            somebody changed the object; read it again
    │   ├── GoneError                the list or watch is too old; begin again
    │   ├── InvalidObjectError       the object breaks a rule of its kind
    │   ├── ForbiddenError           this program lacks the right
    │   └── KubeUnavailableError     no answer, or not now
    └── SettingsError              a program was started with settings it cannot use

Foreign exceptions stop at the adapter that met them and are chained. Nothing here decides what to do about an error.
"""


class KeelstepError(Exception):
    """Something of ours went wrong."""

    reason: str = "Fault"
    """CamelCase, the same in conditions, Events and metrics."""

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        """One sentence for a person."""
        super().__init__(self.message)


class Stalled(KeelstepError):
    """A person must act."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Waiting(KeelstepError):
    """Nobody must act; it is tried again."""

    def __init__(self, reason: str, message: str, delay_seconds: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.delay_seconds = delay_seconds


class UndecidableError(Stalled):
    """Whoever runs the installation must upgrade this program: a newer one wrote to the log."""

    def __init__(self, xid: str, what: str) -> None:
        super().__init__("Undecidable", f"the log of {xid} holds {what}, which this program does not know")


class NameInUseError(Stalled):
    """Whoever applied the Execution must choose another name, or delete the one that has it."""

    def __init__(self, message: str, xid: str) -> None:
        super().__init__("NameInUse", message)
        self.xid = xid
        """The run that has the name."""


class LogArchivedError(Stalled):
    """Whoever applied the Execution must choose another name to have it done once more."""

    def __init__(self, message: str, xid: str, *, phase: str, ended_at: str) -> None:
        super().__init__("LogArchived", message)
        self.xid = xid
        self.phase = phase
        """How it ended, in the words of an Execution's status."""
        self.ended_at = ended_at


class NameUnreadableError(Stalled):
    """Whoever runs the installation must find out who wrote to the names, or upgrade this program."""

    def __init__(self, tenant: str, name: str, why: str) -> None:
        super().__init__(
            "NameUnreadable", f"what is recorded under the name {tenant}/{name} is no record of ours: {why}"
        )


class IdentityRefusedError(Stalled):
    """Whoever runs the program must give it valid credentials."""

    def __init__(self, message: str) -> None:
        super().__init__("IdentityRefused", message)


class InstallationError(Stalled):
    """Whoever runs the installation must repair its folder or name another one."""

    def __init__(self, message: str) -> None:
        super().__init__("InstallationIncomplete", message)


class StreamDiffersError(Stalled):
    """Whoever runs the broker must bring the stream's settings back."""

    def __init__(self, message: str) -> None:
        super().__init__("StreamDiffers", message)


class ObjectForgedError(Stalled):
    """Whoever runs the installation must find out who wrote to the object store."""

    def __init__(self, message: str) -> None:
        super().__init__("ObjectForged", message)


class ClockSkewError(Stalled):
    """Whoever runs the machine must set its clock."""

    def __init__(self, message: str) -> None:
        super().__init__("ClockSkew", message)


class ControlConflictError(Stalled):
    """Whoever decided must look again: the state has changed since."""

    def __init__(self, message: str) -> None:
        super().__init__("ControlConflict", message)


class BrokerError(KeelstepError):
    """The broker refused; nobody must act unless it lasts."""

    reason = "BrokerRefused"

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code
        """JetStream's error code, 0 where there is none."""


class LogFullError(BrokerError):
    """Whoever runs the broker must give the log room; it is tried again until then."""

    reason = "LogFull"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the log takes no event any more: {why}; it needs room, or a person to open it again"
        )


class BrokerUnavailableError(BrokerError):
    """The broker did not answer in time; whether the request took effect is unknown."""

    reason = "BrokerUnavailable"


class BrokerClosedError(BrokerError):
    """The connection to the broker is closed for good; the program must end."""

    reason = "BrokerClosed"


class ControlUnavailableError(BrokerError):
    """What is stopped is not known at this moment, so nothing may begin."""

    reason = "ControlUnavailable"


class FencedError(KeelstepError):
    """Somebody newer owns the run; this program has nothing left to do for it."""

    reason = "Fenced"

    def __init__(self, why: str) -> None:
        super().__init__(f"fenced: {why}")
        self.why = why


class LeaseLostError(KeelstepError):
    """Nobody must act: whoever starts the program starts it again, and it stands by."""

    reason = "LeaseLost"


class ClusterReplacedError(KeelstepError):
    """Nobody must act: whoever starts the program starts it again, and it believes nothing it remembers."""

    reason = "ClusterReplaced"

    def __init__(self) -> None:
        super().__init__("the API server's versions went back: its etcd was restored or replaced")


class EventTooLargeError(KeelstepError):
    """An event does not fit the stream; its payloads belong into the object store."""

    reason = "EventTooLarge"

    def __init__(self, type_name: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{type_name} has {size_bytes} bytes, the limit is {limit_bytes}")


class OwnEventVoidError(KeelstepError):
    """The stream stored what this program wrote, and it is no valid event: a fault of ours."""

    reason = "OwnEventVoid"

    def __init__(self, xid: str, why: str) -> None:
        super().__init__(f"an event of ours on {xid} is void: {why}")


class PayloadMissingError(KeelstepError):
    """A payload that an event names is not in the store."""

    reason = "PayloadMissing"


class KubeError(KeelstepError):
    """The API server refused; nobody must act unless it lasts."""

    reason = "KubernetesRefused"

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code
        """The HTTP status, 0 where there was none."""


class NotFoundError(KubeError):
    """There is no such object."""

    reason = "NotFound"


class AlreadyExistsError(KubeError):
    """There is an object of that name; whose it is must be asked."""

    reason = "AlreadyExists"


class ConflictError(KubeError):
    """Somebody changed the object since it was read."""

    reason = "Conflict"


class GoneError(KubeError):
    """The resource version is too old; list again."""

    reason = "Gone"


class InvalidObjectError(KubeError):
    """The object breaks a rule of its kind: a fault of ours."""

    reason = "Invalid"


class ForbiddenError(KubeError):
    """Whoever installs the program must grant it the right it lacks."""

    reason = "Forbidden"


class KubeUnavailableError(KubeError):
    """The API server did not answer, or not now."""

    reason = "KubernetesUnavailable"


class SettingsError(KeelstepError):
    """Whoever starts the program must correct its settings."""

    reason = "SettingsInvalid"
