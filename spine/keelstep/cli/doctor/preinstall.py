"""Can keelstep be installed here, by this person? What is missing, before anything is made.

Looks only. What the charts can do without is a warning that says what they need to be told.
"""

from collections.abc import AsyncIterator

from keelstep import errors, kinds, kube
from keelstep.cli.doctor import check, cluster
from keelstep.cli.doctor.check import Check
from keelstep.cli.session import Session
from keelstep.kube import Kind

_NODE = Kind(group="", version="v1", plural="nodes", name="Node", is_namespaced=False)
_VOLUME = Kind(
    group="", version="v1", plural="persistentvolumes", name="PersistentVolume", is_namespaced=False
)
_CLASS = Kind(
    group="storage.k8s.io", version="v1", plural="storageclasses", name="StorageClass", is_namespaced=False
)
_DEFINITION = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    name="CustomResourceDefinition",
    is_namespaced=False,
)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_RELEASE = "meta.helm.sh/release-namespace"
EMBEDDED_VOLUMES = 2
"""Of the embedded broker and Postgres."""
MAKES = (
    ("", "namespaces"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiregistration.k8s.io", "apiservices"),
    ("scheduling.k8s.io", "priorityclasses"),
)
"""What the charts make that is the whole cluster's."""


async def look(session: Session) -> AsyncIterator[Check]:
    """Everything that decides it; the first check is `cluster`."""
    reached = await cluster.reach(session)
    yield reached
    if reached.result == "fail":
        return
    yield await _rights(session)
    yield await _nodes(session)
    yield await _storage(session)
    yield await _kinds(session)


async def _rights(session: Session) -> Check:
    if await session.person.may("", "*", "*", "*"):
        return check.ok("rights to install", "you may do everything")
    lacking = [plural for group, plural in MAKES if not await session.person.may("", group, plural, "create")]
    if lacking:
        told = f"you may not create {', '.join(lacking)}"
        return check.fail("rights to install", told, "ask for cluster-admin, or somebody who has it")
    told = "you may create what the charts do, but not everything: who grants a role must hold it"
    return check.warn("rights to install", told)


async def _nodes(session: Session) -> Check:
    try:
        found = (await session.person.list(_NODE)).items
    except errors.ForbiddenError:
        return check.warn("nodes", "not checked: you may not list nodes")
    ready = [each for each in found if _is_ready(each)]
    if not ready:
        return check.fail("nodes", f"none of {len(found)} is ready", "kubectl describe nodes")
    kinds_of = {str(each["status"]["nodeInfo"]["architecture"]) for each in ready}
    return check.ok("nodes", f"{len(ready)} of {len(found)} ready, {', '.join(sorted(kinds_of))}")


def _is_ready(node: kube.Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return is_ready and not node.get("spec", {}).get("unschedulable", False)


async def _storage(session: Session) -> Check:
    """Whether embedded servers would get their volumes."""
    try:
        classes = (await session.person.list(_CLASS)).items
        volumes = (await session.person.list(_VOLUME)).items
    except errors.ForbiddenError:
        return check.warn("storage", "not checked: you may not list StorageClasses and PersistentVolumes")
    for each in classes:
        if each["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true":
            return check.ok("storage", f"StorageClass {each['metadata']['name']} is the default")
    free = [each for each in volumes if each.get("status", {}).get("phase") == "Available"]
    if len(free) >= EMBEDDED_VOLUMES:
        return check.ok("storage", f"no default StorageClass, but {len(free)} volumes are free")
    return check.warn(
        "storage",
        "no default StorageClass, so embedded servers get no volume",
        "bring your own NATS and Postgres; or name a class: embedded.*.storage.className; or, for a look only, "
        "embedded.*.storage.persistent=false",
    )


async def _kinds(session: Session) -> Check:
    """Whether an installation, or what is left of one, is there: a cluster has one."""
    found = {}
    for model in kinds.KINDS:
        name = f"{model.crd.plural}.{kinds.GROUP}"
        try:
            there = await session.person.find(_DEFINITION, "", name)
        except errors.ForbiddenError:
            return check.warn("kinds", "not checked: you may not read CustomResourceDefinitions")
        if there is not None:
            found[name] = there["metadata"].get("annotations", {}).get(_RELEASE, "")
    if not found:
        return check.ok("kinds", "not there yet")
    owners = sorted({each or "nobody's release" for each in found.values()})
    told = f"{len(found)} of {len(kinds.KINDS)} are there already, of {', '.join(owners)}"
    if "" in found.values():
        fix = "Helm adopts only its own: helm install --take-ownership"
        return check.warn("kinds", told, fix)
    return check.ok("kinds", told)
