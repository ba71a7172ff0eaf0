"""Which version is this program?"""

from importlib import metadata


def own() -> str:
    """The installed distribution's version."""
    try:
        return metadata.version("keelstep")
    except metadata.PackageNotFoundError:
        return "unknown"
