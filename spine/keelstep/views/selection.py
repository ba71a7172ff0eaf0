"""Which executions does a list ask for? All of them, or one by its name: whoever may list only that one sees no other.

The kube-apiserver lets someone list who may read by name what the field selector names; it trusts the server to honour
it. Pure.
"""

from collections.abc import Mapping

from keelstep.views import refusals
from keelstep.views.source import Name

_FIELDS = ("metadata.name", "metadata.namespace")


class Selection:
    """What a name and its namespace must be, where the client says."""

    def __init__(self, wanted: Mapping[str, frozenset[str]]) -> None:
        self._wanted = wanted

    def has(self, name: Name) -> bool:
        """Is this one asked for?"""
        fields = dict(zip(_FIELDS, (name.name, name.tenant), strict=True))
        return all(values == {fields[field]} for field, values in self._wanted.items())


def read(query: Mapping[str, str]) -> Selection:
    """What is asked for.

    Raises:
        refusals.Refusal: by a label, by another field, or other than `=`: nothing of this can be answered rightly.
    """
    if query.get("labelSelector"):
        raise refusals.bad_request(
            "labelSelector: views have no labels; ask for a name, or for all of a namespace"
        )
    wanted: dict[str, frozenset[str]] = {}
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        field, equals, value = term.partition("=")
        if field not in _FIELDS or not equals:
            raise refusals.bad_request(
                f"fieldSelector: expected metadata.name=NAME or metadata.namespace=NAMESPACE, got {term[:200]!r}"
            )
        wanted[field] = wanted.get(field, frozenset()) | {value.removeprefix("=")}
    return Selection(wanted)
