"""What can go wrong with a local cluster, and who must act?

    ClusterError
    ├── MissingPrerequisite   the person: disk, memory or a tool is missing
    ├── BuildFailed           the person: modules could not be fetched or built
    ├── StartFailed           the person: a component did not come up; its log says why
    └── NoSuchCluster         the person: the name is wrong, or `up` was never run

The command line prints the message and exits 1; nothing here is shown as a stack trace.
"""


class ClusterError(Exception):
    """The local cluster cannot do what was asked; the message says what to do."""


class MissingPrerequisite(ClusterError):
    """This machine lacks disk, memory or a tool; the person at the keyboard must provide it."""


class BuildFailed(ClusterError):
    """A program could not be built; the person must read the named log, then run it again."""


class StartFailed(ClusterError):
    """A component did not become healthy; the person must read the named log."""


class NoSuchCluster(ClusterError):
    """No cluster of that name was started here; the person must run `up` first."""
