"""What does an exit code say, and which one does an error get?

0  ok                                        3  not found
1  the thing asked about failed              4  refused: no right, or somebody else came first
2  usage: a wrong option, name or file       5  unavailable: the cluster, the operator or a view does not answer
"""

from enum import IntEnum

from keelstep import errors


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130
    """Ctrl-C."""


class Ended(Exception):
    """A command ends here, with one line for the person."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def usage(message: str) -> Ended:
    """The person must ask differently."""
    return Ended(Exit.USAGE, message)


def not_found(message: str) -> Ended:
    """There is no such thing."""
    return Ended(Exit.NOT_FOUND, message)


def refused(message: str) -> Ended:
    """It may not be done, or not any more."""
    return Ended(Exit.REFUSED, message)


def failed(message: str = "") -> Ended:
    """The thing asked about failed."""
    return Ended(Exit.FAILED, message)


def unavailable(message: str) -> Ended:
    """Something does not answer."""
    return Ended(Exit.UNAVAILABLE, message)


def of(error: errors.KeelstepError) -> Ended:
    """What one of our errors means to a person at a terminal."""
    message = error.message
    if isinstance(error, errors.KubeError):
        # what we asked for is our business; what the API server said is theirs
        message = message.partition(": ")[2] or message
    match error:
        case errors.NotFoundError():
            return not_found(message)
        case errors.ForbiddenError() if "cannot" in message:
            return refused(f"{message}; `keelstep doctor` shows what you may do")
        case errors.ForbiddenError() | errors.AlreadyExistsError() | errors.ConflictError():
            return refused(message)
        case errors.InvalidObjectError() | errors.SettingsError():
            return usage(message)
        case errors.KubeUnavailableError() | errors.BrokerError() | errors.Waiting():
            return unavailable(message)
        case _:
            return failed(message)
