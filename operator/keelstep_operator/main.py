"""How does the operator's process begin and end? Settings, connections, tasks, signals.

    settings ─► broker (clock, streams, CONTROL current) ─► API server (our kinds are there) ─► watch · work · follow

Nothing here decides anything about a resource. Of several operators one works, the holder of the Lease; the others
stand by, connected. Two at work at once harm nothing, and are of no use.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog
import uvloop
from nats.aio.client import Client

from keelstep import errors, kube, logs, points, scrape
from keelstep import settings as environment
from keelstep.events import clock, signing, types
from keelstep.log import connection, drifts, identities, streams, subjects
from keelstep.log.control import Control
from keelstep.log.identities import Role
from keelstep.log.limits import Board
from keelstep.log.names import Names
from keelstep.log.objects import Objects
from keelstep.log.revocation import Revoker
from keelstep.log.tokens import Key
from keelstep.log.view import View
from keelstep_operator import follow, lease, measure, resync, watch
from keelstep_operator.cache import Cache
from keelstep_operator.context import Context, Revisions
from keelstep_operator.identity import Identities
from keelstep_operator.logs import Logs
from keelstep_operator.metrics import Metrics
from keelstep_operator.queue import Queue
from keelstep_operator.reconcile import drift, route
from keelstep_operator.recorder import Recorder
from keelstep_operator.settings import Settings
from keelstep_operator.status import Statuses

log = structlog.get_logger(__name__)

T = TypeVar("T")

PROGRAM = "keelstep-operator"
_CLOCK_SECONDS = 60.0
_WAIT_SECONDS = 2.0
_HEIGHT_SECONDS = 10.0
"""Whether the API server's etcd is still the same is asked so often."""
_STOP_SECONDS = 1.0


def main() -> None:
    """Run the operator until it is told to end; what is wrong is said in one line."""
    settings = environment.load(Settings, PROGRAM)
    logs.configure("operator", settings.log_level)
    try:
        points.configure(crash_at=settings.crash_at, stop_at=settings.stop_at)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseExceptionGroup as group:
        sys.exit(_said(group))
    except errors.SettingsError as error:
        print(f"{PROGRAM}: {error.message}", file=sys.stderr)  # noqa: T201
        sys.exit(environment.EXIT_WRONG_SETTINGS)
    except errors.KeelstepError as error:
        print(f"{PROGRAM}: {error.reason}: {error.message}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _said(group: BaseExceptionGroup[BaseException]) -> int:
    """Say in one line why a task ended us; what is no error of ours is raised as it is."""
    ours, other = group.split(errors.KeelstepError)
    if other is not None:
        raise other
    assert ours is not None
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, errors.KeelstepError)
    print(f"{PROGRAM}: {first.reason}: {first.message}", file=sys.stderr)  # noqa: T201
    return 1


async def run(settings: Settings) -> None:
    """Run until a signal comes.

    Raises:
        errors.SettingsError: a file that the settings name cannot be used.
        errors.Stalled: a person must act before it can work.
    """
    async with contextlib.AsyncExitStack() as stack:
        ctx = await stack.enter_async_context(connected(settings))
        await _kinds_are_there(ctx.kube, settings.namespaces or ("",))
        await stack.enter_async_context(scrape.served(ctx.metrics.registry, settings.metrics_port))
        stop, ready, is_synced = asyncio.Event(), asyncio.Event(), asyncio.Event()
        holding = [] if not settings.lease_namespace else [await _leading(ctx, stack, stop)]
        if stop.is_set():
            return
        # what another operator did while this one stood by
        ctx.revoked.update(await ctx.revoker.revoked())
        async with asyncio.TaskGroup() as group:
            tasks = [
                *(group.create_task(held.hold(), name="lease") for held in holding),
                group.create_task(_end_where_replaced(ctx), name="replaced"),
                group.create_task(ctx.view.run(), name="control"),
                group.create_task(ctx.board.run(), name="limits"),
                group.create_task(ctx.drifts.run(), name="drifts"),
                group.create_task(_check_clock(ctx.nc), name="clock"),
                group.create_task(streams.keep_cache(ctx.nc), name="cache"),
                group.create_task(follow.run(ctx), name="follow"),
                group.create_task(_resync_when(ready, is_synced, ctx), name="resync"),
            ]
            await _until_current(ctx.view)
            # before kopf: what starts after it, it ends
            tasks += [
                group.create_task(ctx.queue.work(route.reconcile_with(ctx)), name=f"worker-{number}")
                for number in range(settings.workers)
            ]
            tasks.append(group.create_task(watch.run(ctx, stop, ready), name="watch"))
            await _first(ready, stop)
            for sign in (signal.SIGTERM, signal.SIGINT):
                # kopf took these; we want our own tasks to end first
                asyncio.get_running_loop().add_signal_handler(sign, stop.set)
            await _first(is_synced, stop)
            # not before: what is not known yet would be shown as not there
            tasks.insert(0, group.create_task(measure.run(ctx), name="measure"))
            log.info("ready", shard=settings.shard, namespaces=settings.namespaces or "all")
            await stop.wait()
            log.info("operator_stopping")
            for task in tasks[:-1]:
                task.cancel()
            # it has nothing to tidy up, and would wait five seconds for tasks that are not its own
            await asyncio.wait(tasks[-1:], timeout=_STOP_SECONDS)
            tasks[-1].cancel()


async def _until_current(view: View) -> None:
    """However long the history of CONTROL is; given up only where no more of it comes.

    Raises:
        errors.ControlUnavailableError: it was not current, and nothing came for a while.
    """
    while True:
        known = view.position
        try:
            return await view.wait_current()
        except errors.ControlUnavailableError:
            if view.position == known:
                raise


async def _leading(ctx: Context, stack: contextlib.AsyncExitStack, stop: asyncio.Event) -> lease.Lease:
    """Stand by until the Lease is ours, or until we are told to end."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    settings = ctx.settings
    held = await stack.enter_async_context(lease.of(ctx.kube, settings.lease_namespace, settings.shard))
    ctx.metrics.leads.set(0)
    acquired, stopped = asyncio.ensure_future(held.acquire()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((acquired, stopped), return_when=asyncio.FIRST_COMPLETED)
        if acquired.done():
            await acquired  # raises what went wrong
            ctx.metrics.leads.set(1)
    finally:
        acquired.cancel()
        stopped.cancel()
    return held


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Context]:
    """Everything a reconcile works with, connected; closed at the end.

    Raises:
        errors.SettingsError: a file that the settings name cannot be used.
        errors.Stalled: the broker refuses the identity, a clock is wrong, a stream differs.
    """
    keyring_bytes = _read(settings, "keyring").encode()
    keyring = _parsed(settings, "keyring", lambda text: signing.Keyring.parse(text.encode()))
    signer = _parsed(settings, "signing_key", signing.Signer.parse)
    if not keyring.knows(signer, types.Writer.OPERATOR):
        raise errors.SettingsError(
            f"KEELSTEP_SIGNING_KEY: KEELSTEP_KEYRING has no operator's key {signer.kid}, so nobody would believe it"
        )
    operator_key = _parsed(settings, "nats_operator_key", Key.parse)
    run_key = _parsed(settings, "nats_run_key", Key.parse)
    authority = _read(settings, "nats_ca_file").encode() if settings.nats_ca_file is not None else b""
    accounts = _parsed(settings, "accounts", lambda text: msgspec.json.decode(text, type=identities.Accounts))
    async with contextlib.AsyncExitStack() as stack:
        api = await kube.Kube.connect(settings.kubeconfig)
        stack.push_async_callback(api.close)
        nc = await _broker(settings, Role.OPERATOR)
        stack.push_async_callback(nc.close)
        system = await _broker(settings, Role.SYSTEM)
        stack.push_async_callback(system.close)
        await streams.ensure(nc, [settings.shard], replicas=settings.nats_replicas)
        await connection.check_clock(nc, clock.now)
        revoker = Revoker(system, accounts.run, operator_key)
        objects = Objects(nc)
        metrics, cache, queue = Metrics(), Cache(), Queue()
        view = View(nc, keyring, lambda record: follow.woken_by_control(ctx, record))
        metrics.follow(queue, view)
        recorder = Recorder(api=api, instance=socket.gethostname())
        ctx = Context(
            settings=settings,
            kube=api,
            nc=nc,
            logs=Logs(nc, signer, keyring, lambda _, __, reason: metrics.voids.labels(reason).inc()),
            objects=objects,
            names=Names(nc),
            control=Control(nc, signer, keyring),
            view=view,
            board=Board(
                nc,
                PROGRAM,
                pattern=subjects.breaker("*", ">"),
                on_change=lambda subject: follow.woken_by_limits(ctx, subject),
            ),
            drifts=drifts.Board(nc=nc, on_change=lambda tenant, key: drift.noted(ctx, tenant, key)),
            revoker=revoker,
            identities=Identities(identities.AttemptIssuer(accounts.run, run_key)),
            keyring=keyring_bytes,
            authority=authority,
            cache=cache,
            queue=queue,
            recorder=recorder,
            statuses=Statuses(
                api=api,
                cache=cache,
                queue=queue,
                recorder=recorder,
                refresh_seconds=settings.status_refresh_seconds,
                on_written=lambda found: _written(ctx, found),
            ),
            metrics=metrics,
            revisions=Revisions(objects=objects),
            revoked=set(await revoker.revoked()),
            restored_at=await streams.restored_at(nc),
        )
        yield ctx


def _written(ctx: Context, found: kube.Object) -> None:
    """Our own write concerns everybody but whoever wrote it."""
    own, *others = route.concerned(ctx, found)
    for key in others:
        if key != own:
            ctx.queue.wake(key)


async def _broker(settings: Settings, role: Role) -> Client:
    """A connection to the broker, waited for."""
    credentials = {
        Role.OPERATOR: settings.nats_credentials,
        Role.SYSTEM: settings.nats_system_credentials,
    }[role]
    if not credentials.is_file():
        raise errors.SettingsError(f"{credentials}: there is no such credentials file")
    while True:
        try:
            return await connection.connect(
                settings.nats_url,
                credentials,
                f"{PROGRAM}-{role.value}",
                inbox_prefix=identities.inbox(role),
                tls_ca=settings.nats_ca_file,
            )
        except errors.BrokerUnavailableError as error:
            log.warning("broker_awaited", why=error.message)
            await asyncio.sleep(_WAIT_SECONDS)


async def _kinds_are_there(api: kube.Kube, namespaces: Sequence[str]) -> None:
    """Wait until the API server knows our kinds; asked for in the first namespace where we may list them."""
    while True:
        try:
            missing = [
                f"{kind.plural}.{kind.group}"
                for kind in (kube.STRATEGIES, kube.CONTRACTS, kube.EXECUTIONS, kube.GATES)
                if not await _is_there(api, kind, namespaces)
            ]
            if not missing:
                return
            log.error("crds_missing", missing=missing, hint="kubectl apply --server-side -f crds/")
        except errors.KubeUnavailableError as error:
            log.warning("kubernetes_awaited", why=error.message)
        except errors.ForbiddenError as error:
            hint = "bind the ClusterRole keelstep-operator-tenant to the operator's service account"
            log.error("rights_missing", why=error.message, hint=hint)
        await asyncio.sleep(_WAIT_SECONDS)


async def _is_there(api: kube.Kube, kind: kube.Kind, namespaces: Sequence[str]) -> bool:
    """Whether a kind is known.

    Raises:
        errors.ForbiddenError: we may list it in none of the namespaces.
        errors.KubeUnavailableError: the API server did not answer.
    """
    refusal = errors.ForbiddenError()
    for namespace in namespaces:
        try:
            await api.list(kind, namespace, limit=1)
        except errors.NotFoundError:
            return False
        except errors.ForbiddenError as error:
            refusal = error
            continue
        return True
    raise refusal


async def _check_clock(nc: Client) -> None:
    """A clock that drifts off the broker's ends the program, loudly."""
    while True:
        await asyncio.sleep(_CLOCK_SECONDS)
        try:
            await connection.check_clock(nc, clock.now)
        except errors.BrokerClosedError:
            raise
        except errors.BrokerError as error:
            log.warning("clock_not_checked", why=error.message)


async def _end_where_replaced(ctx: Context) -> None:
    """What we remember of an API server is worth nothing to another one, whose watches would stay silent for ever."""
    height = 0
    while True:
        with contextlib.suppress(errors.KubeError):
            now = await ctx.kube.height()
            if now < height:
                raise errors.ClusterReplacedError
            height = now
        await asyncio.sleep(_HEIGHT_SECONDS)


async def _first(*flags: asyncio.Event) -> None:
    """Wait until one of these is set."""
    waits = [asyncio.ensure_future(flag.wait()) for flag in flags]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _resync_when(ready: asyncio.Event, is_synced: asyncio.Event, ctx: Context) -> None:
    await ready.wait()
    await resync.run(ctx, is_synced, pause_seconds=ctx.settings.resync_seconds)


def _read(settings: Settings, field: str) -> str:
    path = getattr(settings, field)
    try:
        return str(path.read_text())
    except OSError as error:
        raise errors.SettingsError(f"KEELSTEP_{field.upper()}: {path}: {error.strerror}") from error


def _parsed(settings: Settings, field: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(_read(settings, field).strip())
    except (ValueError, msgspec.DecodeError) as error:
        path = getattr(settings, field)
        raise errors.SettingsError(f"KEELSTEP_{field.upper()}: {path}: {error}") from error


if __name__ == "__main__":
    main()
