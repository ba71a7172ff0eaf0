"""What can go wrong with images, and who must act?

    ImagesError
    ├── MissingPrerequisite   the person: a tool or a right is missing
    ├── BuildFailed           the person: the log says which step failed
    └── NoSuchImage           the person: it was never built

The command line prints the message and exits 1; nothing here is shown as a stack trace.
"""


class ImagesError(Exception):
    """The images cannot do what was asked; the message says what to do."""


class MissingPrerequisite(ImagesError):
    """This machine lacks a tool or a right; the person at the keyboard must provide it."""


class BuildFailed(ImagesError):
    """An image could not be built; the person must read the named log, then run it again."""


class NoSuchImage(ImagesError):
    """An image was never built here; the person must run `build` first."""
