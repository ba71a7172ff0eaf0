"""What does `$(VAR)` mean, and where is a mount path really? Pure text in, pure text out."""

import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: `$$` escapes, unknown names stay as they stand."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


class Mounts:
    """Where each mountPath of one container really lies."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = {path.rstrip("/"): str(place) for path, place in places.items()}
        # The longest first, so that a mount inside a mount wins; and only whole path elements:
        # neither /data2 nor /srv/data begins with the mount /data.
        paths = sorted(self._places, key=len, reverse=True)
        either = "|".join(map(re.escape, paths))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{either})(?![\w.-])") if paths else None

    def replace(self, text: str) -> str:
        """Replace every mount path that begins a path in the text by its real place."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._places[found[0]], text)
