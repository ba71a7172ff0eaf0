"""Is the cluster well, as far as this person may see? Its version, our kinds, policies, programs, and their own rights."""

from collections.abc import AsyncIterator

from keelstep import errors, kinds, kube
from keelstep.cli import version
from keelstep.cli.doctor import check
from keelstep.cli.doctor.check import Check
from keelstep.cli.session import Session
from keelstep.kube import Kind
from keelstep.views import resources

OLDEST_MINOR = 30
"""Kubernetes 1.30: admission policies by CEL."""
POLICIES = (
    "approver-identity",
    "gates-by-operator",
    "requested-by",
    "rules-by-governor",
    "status-by-operator",
)
_ADMISSION = "admissionregistration.k8s.io"
_POLICY = Kind(
    group=_ADMISSION,
    version="v1",
    plural="validatingadmissionpolicies",
    name="ValidatingAdmissionPolicy",
    is_namespaced=False,
)
_BINDING = Kind(
    group=_ADMISSION,
    version="v1",
    plural="validatingadmissionpolicybindings",
    name="ValidatingAdmissionPolicyBinding",
    is_namespaced=False,
)
_DEPLOYMENT = Kind(group="apps", version="v1", plural="deployments", name="Deployment")
PART_OF = "app.kubernetes.io/part-of=keelstep"
"""How the chart labels what it installs."""
_VERSION_LABEL = "app.kubernetes.io/version"
RIGHTS = (
    ("start runs", kinds.GROUP, "executions", "create"),
    ("look at runs", kinds.GROUP, "executions", "list"),
    ("hold, cancel, kill runs", kinds.GROUP, "executions", "patch"),
    ("decide gates", kinds.GROUP, "approvalgates", "approve"),
    ("read traces", resources.GROUP, "executiontraces", "get"),
)


async def look(session: Session) -> AsyncIterator[Check]:
    """Everything about the cluster; the first check is `cluster`, and without it there is nothing else."""
    reached = await reach(session)
    yield reached
    if reached.result == "fail":
        return
    for model in kinds.KINDS:
        yield await _kind(session, model)
    for policy in POLICIES:
        yield await _policy(session, f"keelstep-{policy}")
    yield await _views(session)
    async for each in _programs(session):
        yield each


async def reach(session: Session) -> Check:
    """Whether the API server answers, and is new enough."""
    person = session.person
    try:
        served = await person.read("/version")
        told = f"Kubernetes {served['gitVersion']}, as {await person.user()}, namespace {session.namespace}"
    except errors.KubeError as error:
        return check.fail("cluster", f"not reached: {error.message.partition(': ')[2]}")
    minor = int("".join(filter(str.isdigit, served["minor"])) or 0)
    if served["major"] == "1" and minor < OLDEST_MINOR:
        return check.fail("cluster", told, f"1.{OLDEST_MINOR} or newer is needed")
    return check.ok("cluster", told)


async def _kind(session: Session, model: type[kinds.Resource]) -> Check:
    """Whether a kind is served with every field that this program knows."""
    name = f"kind {model.crd.kind}"
    fix = f"kubectl apply --server-side -f crds/{model.crd.kind.lower()}.yaml"
    try:
        document = await session.person.read(f"/openapi/v3/apis/{kinds.API_VERSION}")
    except errors.NotFoundError:
        return check.fail(name, "not installed", fix)
    except errors.ForbiddenError:
        return check.warn(name, "not checked: you may not read the API's schemas")
    schemas = document.get("components", {}).get("schemas", {}).values()
    served = [each for each in schemas if _is_of(each, model.crd.kind)]
    if not served:
        return check.fail(name, "not installed", fix)
    missing = [
        f"{part}.{alias}"
        for part in ("spec", "status")
        for alias in _aliases(model, part)
        if alias not in served[0]["properties"].get(part, {}).get("properties", {})
    ]
    if missing:
        return check.fail(name, f"outdated: it lacks {', '.join(missing)}", fix)
    return check.ok(name, "installed and current")


def _is_of(schema: kube.Object, kind: str) -> bool:
    return any(each["kind"] == kind for each in schema.get("x-kubernetes-group-version-kind", []))


def _aliases(model: type[kinds.Resource], part: str) -> list[str]:
    """The fields of a kind's spec or status, as they are on the wire."""
    inner = model.model_fields[part].annotation
    fields = getattr(inner, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


async def _policy(session: Session, name: str) -> Check:
    about = f"policy {name}"
    try:
        for kind in (_POLICY, _BINDING):
            await session.person.get(kind, "", name)
    except errors.NotFoundError:
        return check.fail(about, "missing or not bound", "kubectl apply --server-side -f policies/admission")
    except errors.ForbiddenError:
        return check.warn(about, "not checked: you may not read admission policies")
    return check.ok(about, "in force")


async def _views(session: Session) -> Check:
    try:
        await session.person.read(f"/apis/{resources.API_VERSION}")
    except errors.NotFoundError:
        return check.fail(
            "views API",
            "not registered",
            "trace, log and verify need it: register the APIService of the views server",
        )
    except errors.KubeError as error:
        return check.fail(
            "views API",
            f"does not answer: {error.message.partition(': ')[2]}",
            # the namespace controller must know every group before it lets a namespace go
            "until it does, no namespace of this cluster can be deleted: start its server or delete the APIService",
        )
    return check.ok("views API", "answers")


async def _programs(session: Session) -> AsyncIterator[Check]:
    """Whether what runs as Deployments is up, and of this program's version."""
    try:
        found = (await session.person.list(_DEPLOYMENT, "", labels=PART_OF)).items
    except errors.ForbiddenError:
        yield check.warn("programs", "not checked: you may not list Deployments")
        return
    if not found:
        yield check.warn("programs", f"not checked: no Deployment here is labelled {PART_OF}")
    for each in sorted(found, key=lambda one: str(one["metadata"]["name"])):
        yield _program(each)


def _program(found: kube.Object) -> Check:
    metadata = found["metadata"]
    wanted = int(found["spec"].get("replicas", 1))
    ready = int(found.get("status", {}).get("readyReplicas", 0))
    theirs = str(metadata.get("labels", {}).get(_VERSION_LABEL, "unknown"))
    about = f"program {metadata['name']}"
    told = f"{ready} of {wanted} ready, version {theirs}"
    where = f"kubectl describe deployment {metadata['name']} -n {metadata['namespace']}"
    if ready < wanted:
        return check.fail(about, told, where)
    if theirs != version.own():
        return check.warn(about, f"{told}, this command is {version.own()}", "upgrade the older of the two")
    return check.ok(about, told)


async def rights(session: Session) -> AsyncIterator[Check]:
    """What this person may do in the namespace."""
    for what, group, plural, verb in RIGHTS:
        may = await session.person.may(session.namespace, group, plural, verb)
        if may:
            yield check.ok(what, "you may")
        else:
            yield check.warn(what, f"you may not: it needs {verb} on {plural}.{group}")
