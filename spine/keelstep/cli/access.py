"""How does a person reach the Kubernetes API? As their kubeconfig says, with their own rights and nothing else."""

import os
import re
from pathlib import Path
from typing import Any, Self

import yaml
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config

from keelstep import errors, kube
from keelstep.kube import Kind, Object
from keelstep.views import resources

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

USER = Kind(
    group="authentication.k8s.io",
    version="v1",
    plural="selfsubjectreviews",
    name="SelfSubjectReview",
    is_namespaced=False,
)
RIGHTS = Kind(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    name="SelfSubjectAccessReview",
    is_namespaced=False,
)


def view(kind: resources.Kind) -> Kind:
    """Where objects of one of the views' kinds live."""
    return Kind(group=resources.GROUP, version=resources.VERSION, plural=kind.plural, name=kind.__name__)


class Person(kube.Kube):
    """The API server as one person sees it; an async context manager."""

    namespace: str = "default"
    """The namespace of the kubeconfig's context."""

    @classmethod
    async def open(cls, kubeconfig: str | None, context: str | None) -> Self:
        """A connection as a kubeconfig's user.

        Raises:
            errors.SettingsError: the kubeconfig cannot be used, or has no such context.
        """
        configuration = aio.Configuration()
        path = kubeconfig or aio_config.KUBE_CONFIG_DEFAULT_LOCATION
        if not _is_there(path):
            raise errors.SettingsError(f"--kubeconfig: there is no file {path}; name one, or set KUBECONFIG")
        try:
            contexts, active = aio_config.list_kube_config_contexts(path)  # type: ignore[no-untyped-call]
            chosen = active if context is None else _named(contexts, context)
            await aio_config.load_kube_config(  # type: ignore[no-untyped-call]
                path, context=context, client_configuration=configuration, persist_config=False
            )
            person = cls(configuration)
        except (
            aio_config.ConfigException,
            yaml.YAMLError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:
            told = " ".join(str(error).split()).rstrip(".")
            raise errors.SettingsError(
                f"--kubeconfig: {path} cannot be used: {told}; name another one, or set KUBECONFIG"
            ) from error
        person.namespace = chosen["context"].get("namespace") or "default"
        return person

    async def read(self, path: str, **query: Any) -> Object:
        """Any path.

        Raises:
            errors.KubeError: it could not be read.
        """
        return await self._send("GET", path, query={name: value for name, value in query.items() if value})

    async def change(self, kind: Kind, namespace: str, name: str, patch: Object | list[Object]) -> Object:
        """Patch an object: a list is a JSON patch, an object a merge patch.

        Raises:
            errors.KubeError: it was refused.
        """
        content_type = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        path = kind.path(namespace, name)
        return await self._send(
            "PATCH", path, query={"fieldValidation": "Strict"}, body=patch, content_type=content_type
        )

    async def submit(self, kind: Kind, namespace: str, manifest: Object) -> Object:
        """Create an object; an unknown field is refused.

        Raises:
            errors.KubeError: it was refused.
        """
        query = {"fieldValidation": "Strict"}
        return await self._send("POST", kind.path(namespace), query=query, body=manifest)

    async def user(self) -> str:
        """Who the API server says that I am."""
        review = await self.submit(USER, "", {"apiVersion": USER.api_version, "kind": USER.name})
        return str(review["status"]["userInfo"]["username"])

    async def may(self, namespace: str, group: str, plural: str, verb: str) -> bool:
        """Whether I have a right."""
        attributes = {"namespace": namespace, "group": group, "resource": plural, "verb": verb}
        spec = {"resourceAttributes": attributes}
        manifest = {"apiVersion": RIGHTS.api_version, "kind": RIGHTS.name, "spec": spec}
        review = await self.submit(RIGHTS, "", manifest)
        return bool(review["status"]["allowed"])


def is_unserved(error: errors.NotFoundError) -> bool:
    """True where the API server knows no such kind, as opposed to no such object."""
    return re.search(r"(: HTTP 404|could not find the requested resource)$", error.message) is not None


def _is_there(path: str) -> bool:
    """True where any of the files that KUBECONFIG may list is there."""
    return any(Path(part).expanduser().is_file() for part in path.split(os.pathsep))


def _named(contexts: Any, name: str) -> Any:
    for context in contexts:
        if context["name"] == name:
            return context
    known = ", ".join(sorted(context["name"] for context in contexts)) or "none"
    raise ValueError(f"it has no context {name!r} (it has {known})")
