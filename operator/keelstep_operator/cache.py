"""What did the API server last say? The newest version of every object we watch, by kind and name.

Filled by `watch`, by `resync`, and by our own writes; read by every reconcile. It may be behind: what must be certain
is asked of the API server itself. Nothing here talks to it.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pydantic

from keelstep import kinds
from keelstep.kinds import names
from keelstep.kube import Object
from keelstep_operator.queue import Key

_MOST_TOMBSTONES = 50_000

M = TypeVar("M", bound=kinds.Resource)


def key_of(found: Object) -> Key:
    """The key of an object."""
    return Key(found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])


@dataclass(slots=True)
class Cache:
    """Objects by key."""

    _objects: dict[Key, Object] = field(default_factory=dict)
    _keys: dict[str, dict[str, dict[Key, None]]] = field(default_factory=dict)
    """By kind and namespace, in the order in which they came: each event asks for some of them."""
    _pods: dict[tuple[str, str], dict[str, Object]] = field(default_factory=dict)
    """By namespace and execution, then by name."""
    _models: dict[Key, tuple[str, kinds.Resource]] = field(default_factory=dict)
    _replaced: dict[Key, float] = field(default_factory=dict)
    """When an object took the name of another whose deletion nobody has seen, on the monotonic clock."""
    _dead: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    """UIDs that were seen deleted: an older list may still show them."""

    def put(self, found: Object) -> bool:
        """Keep an object; False where this version, or a newer one, is known or it is gone."""
        key = key_of(found)
        metadata = found["metadata"]
        if metadata["uid"] in self._dead:
            return False
        known = self._objects.get(key)
        if known is not None:
            if int(metadata["resourceVersion"]) <= int(known["metadata"]["resourceVersion"]):
                return False
            if known["metadata"]["uid"] != metadata["uid"]:
                self._replaced[key] = time.monotonic()
        # whose field is whose is the API server's business, and half of an object
        self._objects[key] = {
            **found,
            "metadata": {name: each for name, each in metadata.items() if name != "managedFields"},
        }
        self._keys.setdefault(key.kind, {}).setdefault(key.namespace, {})[key] = None
        self._models.pop(key, None)
        if key.kind == "Pod":
            self._pods.setdefault(_execution_of(found), {})[key.name] = found
        return True

    def remove(self, found: Object) -> bool:
        """Forget an object that was seen deleted; False where another one has its name by now."""
        key, uid = key_of(found), found["metadata"]["uid"]
        self._dead[uid] = None
        while len(self._dead) > _MOST_TOMBSTONES:
            self._dead.popitem(last=False)
        self._replaced.pop(key, None)
        known = self._objects.get(key)
        if known is not None and known["metadata"]["uid"] != uid:
            return False
        self.drop(key)
        return True

    def replaced_for(self, key: Key, seconds: float) -> float:
        """How long to wait yet for the deletion of the object that had this name before; 0 for not at all."""
        since = self._replaced.get(key)
        if since is None:
            return 0.0
        left = since + seconds - time.monotonic()
        if left <= 0:
            del self._replaced[key]
        return max(0.0, left)

    def drop(self, key: Key) -> None:
        """Forget an object that is not there any more; nobody saw it deleted."""
        known = self._objects.pop(key, None)
        self._keys.get(key.kind, {}).get(key.namespace, {}).pop(key, None)
        self._models.pop(key, None)
        if known is not None and key.kind == "Pod":
            siblings = self._pods.get(_execution_of(known), {})
            siblings.pop(key.name, None)
            if not siblings:
                self._pods.pop(_execution_of(known), None)

    def get(self, key: Key) -> Object | None:
        """The newest known version."""
        return self._objects.get(key)

    def model(self, model: type[M], namespace: str, name: str) -> M | None:
        """The newest known version of one of our kinds, parsed.

        Raises:
            pydantic.ValidationError: it does not fit our models: its CRD is another version's.
        """
        key = Key(model.crd.kind, namespace, name)
        found = self._objects.get(key)
        if found is None:
            return None
        version = found["metadata"]["resourceVersion"]
        known = self._models.get(key)
        if known is not None and known[0] == version and isinstance(known[1], model):
            return known[1]
        parsed = model.model_validate(found)
        self._models[key] = (version, parsed)
        return parsed

    def models(self, model: type[M], namespace: str) -> Iterator[M]:
        """All of one of our kinds in a namespace that fit our models."""
        for key in self.keys(model.crd.kind, namespace):
            try:
                found = self.model(model, key.namespace, key.name)
            except pydantic.ValidationError:
                continue
            if found is not None:
                yield found

    def keys(self, kind: str, namespace: str | None = None) -> list[Key]:
        """The keys of a kind, in one namespace or in all."""
        of_kind = self._keys.get(kind, {})
        if namespace is not None:
            return list(of_kind.get(namespace, ()))
        return [key for keys in of_kind.values() for key in keys]

    def pods(self, namespace: str, execution: str) -> list[Object]:
        """The runner Pods of an execution."""
        return list(self._pods.get((namespace, execution), {}).values())

    def is_dead(self, uid: str) -> bool:
        """Whether this very object was seen deleted."""
        return uid in self._dead


def _execution_of(pod: Object) -> tuple[str, str]:
    metadata = pod["metadata"]
    return metadata["namespace"], metadata.get("labels", {}).get(names.LABEL_EXECUTION, "")
