"""What does a reference within a document lead to? Nothing outside it is ever read: whoever wrote it is not trusted."""

from typing import Any
from urllib.parse import unquote

from keelstep.imports.draft import UnusableError


class References:
    """A document whose schemas may refer to parts of it."""

    def __init__(self, content: Any, *, is_3_0: bool = False) -> None:
        self.content = content
        self.is_3_0 = is_3_0
        """True where schemas are written in OpenAPI 3.0's own dialect."""
        self.wholes: dict[bytes, Any] = {}
        """What `schemas` has made already: operations share most of their schemas."""

    def target(self, reference: Any) -> Any:
        """What a reference leads to.

        Raises:
            UnusableError: it leads out of the document, or nowhere.
        """
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UnusableError(f"it refers to another document, {reference!r}: bundle them into one first")
        if reference != "#" and not reference.startswith("#/"):
            raise UnusableError(
                f"it refers to the anchor {reference}; only paths into the document are followed"
            )
        node = self.content
        for token in reference[1:].split("/")[1:]:
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise UnusableError(f"it refers to {reference}, which is not there") from None
        return node
