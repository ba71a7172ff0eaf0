"""`keelstep doctor`: is everything there that keelstep needs, and what may I do?

Asks only what the person may ask; what they may not see is said so and is no failure.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from keelstep import errors, kinds, kube
from keelstep.cli import exits, options
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.kube import Kind
from keelstep.log import connection, identities, jetstream, subjects
from keelstep.log.identities import Role
from keelstep.views import resources

OLDEST_MINOR = 30
"""Kubernetes 1.30: admission policies by CEL."""
POLICIES = ("approver-identity", "gates-by-operator", "requested-by", "status-by-operator")
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
RIGHTS = (
    ("start runs", kinds.GROUP, "executions", "create"),
    ("look at runs", kinds.GROUP, "executions", "list"),
    ("hold, cancel, kill runs", kinds.GROUP, "executions", "patch"),
    ("decide gates", kinds.GROUP, "approvalgates", "approve"),
    ("read traces", resources.GROUP, "executiontraces", "get"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found."""

    name: str
    result: Literal["ok", "warn", "fail"]
    finding: str
    fix: str = ""


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "doctor", example="keelstep doctor -n refunds")(_doctor)


async def _doctor(
    session: Session,
    nats_url: Annotated[
        str | None,
        typer.Option("--nats-url", envvar="KEELSTEP_NATS_URL", help="Check the broker too.", metavar="URL"),
    ] = None,
    nats_creds: Annotated[
        Path | None,
        typer.Option(
            "--nats-creds",
            envvar="KEELSTEP_NATS_CREDENTIALS",
            help="Credentials of the identity reader.",
            metavar="FILE",
        ),
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", envvar="KEELSTEP_POSTGRES_DSN", help="Check the database too.", metavar="DSN"),
    ] = None,
    output: options.Output = Output.TABLE,
) -> None:
    """Check the installation and your rights.

    Exit 1 where something is missing; what you may not see is said so and is no failure.
    """
    checks: list[Check] = []
    async for check in _cluster(session):
        checks.append(check)
        if check.name == "cluster" and check.result == "fail":
            raise exits.unavailable(check.finding)
    checks += [each async for each in _rights(session)]
    if nats_url is not None:
        checks.append(await _broker(nats_url, nats_creds))
    if dsn is not None:
        checks.append(await _database(dsn))
    if session.show.is_table:
        session.show.table(
            ("CHECK", "RESULT", "FINDING"),
            [[each.name, each.result, _told(each)] for each in checks],
            fold="FINDING",
        )
    else:
        session.show.data(
            [
                {"check": each.name, "result": each.result, "finding": each.finding, "fix": each.fix}
                for each in checks
            ]
        )
    if any(each.result == "fail" for each in checks):
        raise exits.failed()


def _told(check: Check) -> str:
    return f"{check.finding}; {check.fix}" if check.fix else check.finding


async def _cluster(session: Session) -> AsyncIterator[Check]:
    person = session.person
    try:
        version = await person.read("/version")
    except errors.KubeError as error:
        yield Check(name="cluster", result="fail", finding=f"not reached: {error.message.partition(': ')[2]}")
        return
    minor = int("".join(filter(str.isdigit, version["minor"])) or 0)
    is_old = version["major"] == "1" and minor < OLDEST_MINOR
    yield Check(
        name="cluster",
        result="fail" if is_old else "ok",
        finding=f"Kubernetes {version['gitVersion']}, as {await person.user()}, namespace {session.namespace}",
        fix=f"1.{OLDEST_MINOR} or newer is needed" if is_old else "",
    )
    for model in kinds.KINDS:
        yield await _kind(session, model)
    for policy in POLICIES:
        yield await _policy(session, f"keelstep-{policy}")
    yield await _views(session)


async def _kind(session: Session, model: type[kinds.Resource]) -> Check:
    """Whether a kind is served with every field that this program knows."""
    name = f"kind {model.crd.kind}"
    fix = f"kubectl apply --server-side -f crds/{model.crd.kind.lower()}.yaml"
    try:
        document = await session.person.read(f"/openapi/v3/apis/{kinds.API_VERSION}")
    except errors.NotFoundError:
        return Check(name=name, result="fail", finding="not installed", fix=fix)
    except errors.ForbiddenError:
        return Check(name=name, result="warn", finding="not checked: you may not read the API's schemas")
    schemas = document.get("components", {}).get("schemas", {}).values()
    served = [each for each in schemas if _is_of(each, model.crd.kind)]
    if not served:
        return Check(name=name, result="fail", finding="not installed", fix=fix)
    missing = [
        f"{part}.{alias}"
        for part in ("spec", "status")
        for alias in _aliases(model, part)
        if alias not in served[0]["properties"].get(part, {}).get("properties", {})
    ]
    if missing:
        return Check(name=name, result="fail", finding=f"outdated: it lacks {', '.join(missing)}", fix=fix)
    return Check(name=name, result="ok", finding="installed and current")


def _is_of(schema: kube.Object, kind: str) -> bool:
    return any(each["kind"] == kind for each in schema.get("x-kubernetes-group-version-kind", []))


def _aliases(model: type[kinds.Resource], part: str) -> list[str]:
    """The fields of a kind's spec or status, as they are on the wire."""
    inner = model.model_fields[part].annotation
    fields = getattr(inner, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


async def _policy(session: Session, name: str) -> Check:
    fix = "kubectl apply --server-side -f policies/admission"
    try:
        for kind in (_POLICY, _BINDING):
            await session.person.get(kind, "", name)
    except errors.NotFoundError:
        return Check(name=f"policy {name}", result="fail", finding="missing or not bound", fix=fix)
    except errors.ForbiddenError:
        return Check(
            name=f"policy {name}", result="warn", finding="not checked: you may not read admission policies"
        )
    return Check(name=f"policy {name}", result="ok", finding="in force")


async def _views(session: Session) -> Check:
    try:
        await session.person.read(f"/apis/{resources.API_VERSION}")
    except errors.NotFoundError:
        return Check(
            name="views API",
            result="fail",
            finding="not registered",
            fix="trace, log and verify need it: register the APIService of the views server",
        )
    except errors.KubeError as error:
        return Check(
            name="views API",
            result="fail",
            finding=f"does not answer: {error.message.partition(': ')[2]}",
            # the namespace controller must know every group before it lets a namespace go
            fix="until it does, no namespace of this cluster can be deleted: start its server or delete the APIService",
        )
    return Check(name="views API", result="ok", finding="answers")


async def _rights(session: Session) -> AsyncIterator[Check]:
    for what, group, plural, verb in RIGHTS:
        may = await session.person.may(session.namespace, group, plural, verb)
        finding = "you may" if may else f"you may not: it needs {verb} on {plural}.{group}"
        yield Check(name=what, result="ok" if may else "warn", finding=finding)


async def _broker(url: str, creds: Path | None) -> Check:
    if creds is None:
        return Check(name="broker", result="fail", finding="no credentials", fix="give --nats-creds FILE")
    try:
        nc = await connection.connect(
            url, creds, "doctor", inbox_prefix=identities.inbox(Role.READER), within_seconds=5
        )
    except (errors.KeelstepError, ValueError, OSError) as error:
        return Check(name="broker", result="fail", finding=str(error))
    try:
        for stream in (
            subjects.stream(0),
            subjects.OBJECTS_STREAM,
            subjects.CONTROL_STREAM,
            subjects.NAMES_STREAM,
        ):
            await jetstream.call(nc, f"STREAM.INFO.{stream}", type=dict)
    except errors.BrokerError as error:
        return Check(name="broker", result="fail", finding=error.message)
    finally:
        await nc.close()
    return Check(name="broker", result="ok", finding="reached, all four streams are there")


async def _database(dsn: str) -> Check:
    try:
        from keelstep.store import postgres  # the driver of Postgres is no part of the extra `cli`
    except ModuleNotFoundError as error:
        return Check(
            name="database", result="fail", finding=f"{error.name} is missing", fix="install keelstep[views]"
        )
    try:
        connected = await postgres.connect(dsn, "keelstep-doctor")
    except errors.KeelstepError as error:
        return Check(name="database", result="fail", finding=error.message)
    try:
        found = await connected.fetchval("SELECT to_regclass('traces.steps') IS NOT NULL")
    finally:
        await connected.close()
    if not found:
        return Check(
            name="database",
            result="fail",
            finding="reached, but it has no traces.steps",
            fix="start keelstep-projector",
        )
    return Check(name="database", result="ok", finding="reached, the views are there")
