"""What is a gateway process made of, and in what order does it come up and go down?

    up:    clock ─► control known ─► answers to its name ─► sweep ─► takes requests
    down:  takes none ─► finishes what it has ─► still answers to its name until then ─► gone

Only wiring: every part does its own work elsewhere.
"""

import asyncio
import gc
import signal
from pathlib import Path

import structlog
from nats.aio.client import Client

from keelstep import errors, kube, scrape
from keelstep.events import clock, types
from keelstep.events.signing import Keyring, Signer
from keelstep.log import connection, follow, identities, view
from keelstep.log.drifts import Notes
from keelstep.log.limits import Board
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep_gateway import credentials, prices, providers
from keelstep_gateway.asking import Asking
from keelstep_gateway.cache import Cache
from keelstep_gateway.calls import Calls
from keelstep_gateway.evaluator import Evaluator
from keelstep_gateway.executions import Executions
from keelstep_gateway.law import Law
from keelstep_gateway.limits.admission import Admissions
from keelstep_gateway.limits.breakers import Breakers
from keelstep_gateway.limits.limiter import Limiter
from keelstep_gateway.limits.purse import Purses
from keelstep_gateway.metrics import Metrics
from keelstep_gateway.modelcalls import ModelCalls
from keelstep_gateway.models import Models
from keelstep_gateway.perform import Performer
from keelstep_gateway.presence import Presence
from keelstep_gateway.reconcile import Reconciler
from keelstep_gateway.records import Scribe
from keelstep_gateway.send import Sender
from keelstep_gateway.settings import Settings
from keelstep_gateway.sweep import Sweep
from keelstep_gateway.takeover import TakeOver
from keelstep_gateway.toolcalls import ToolCalls
from keelstep_gateway.transports import commands
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.router import Router
from keelstep_gateway.undocalls import UndoCalls
from keelstep_gateway.wishes import Wishes

log = structlog.get_logger(__name__)

CLOCK_CHECK_SECONDS = 60.0
START_SECONDS = 3.0
"""How long a start waits to know what is stopped before it serves reads only."""
_PAUSE_SECONDS = 0.5
_HEARD = (types.Writer.OPERATOR.value, types.Writer.GATEWAY.value)
WAITING_PER_CALL = 16
"""Requests that may wait for each call that may be made at once; more are sent to another gateway."""


class _StopError(Exception):
    """Somebody asked this process to end."""


class Gateway:
    """A gateway process's parts, put together."""

    def __init__(
        self,
        chosen: Settings,
        nc: Client,
        signer: Signer,
        keyring: Keyring,
        source: credentials.CredentialSource,
    ) -> None:
        self.chosen = chosen
        self.nc = nc
        self.source = source
        self.view = view.View(nc, keyring)
        self.law = Law(self.view)
        self.models = Models()
        self.providers = providers.load(chosen.providers)
        self.transport = Router(
            Egress(chosen.egress_rules()),
            commands.load(chosen.stdio_commands) if chosen.stdio_commands is not None else None,
            chosen.stdio_processes,
        )
        self.presence = Presence(nc, self._describe)
        self.metrics = Metrics()
        self.is_draining = False
        scribe = Scribe(self.presence.owner)
        reader = StreamReader(nc, chosen.shard)
        self.executions = Executions(
            nc=nc,
            reader=reader,
            objects=Objects(nc),
            signer=signer,
            keyring=keyring,
            metrics=self.metrics,
            shard=chosen.shard,
            most=chosen.executions_cached,
            concurrency=chosen.concurrency,
        )
        results = Cache(
            nc=nc, signer=signer, keyring=keyring, objects=self.executions.objects, metrics=self.metrics
        )
        self.evaluator = Evaluator()
        self.board = Board(nc, self.presence.owner)
        self.limiter = Limiter(board=self.board, breakers=Breakers(board=self.board), metrics=self.metrics)
        self.purses = Purses(board=self.board, view=self.view, metrics=self.metrics)
        sender = Sender(
            transport=self.transport, credentials=source, evaluator=self.evaluator, drifts=Notes(nc=nc)
        )
        reconciler = Reconciler(scribe=scribe, executions=self.executions, law=self.law, sender=sender)
        performer = Performer(
            scribe=scribe,
            executions=self.executions,
            law=self.law,
            sender=sender,
            reconciler=reconciler,
            cache=results,
            limiter=self.limiter,
        )
        takeover = TakeOver(
            scribe=scribe,
            executions=self.executions,
            law=self.law,
            presence=self.presence,
            performer=performer,
            reconciler=reconciler,
        )
        wishes = Wishes(
            scribe=scribe,
            executions=self.executions,
            law=self.law,
            performer=performer,
            reconciler=reconciler,
            takeover=takeover,
            cache=results,
            evaluator=self.evaluator,
            admissions=Admissions(limiter=self.limiter, purses=self.purses),
        )
        self.sweep = Sweep(
            nc=nc,
            shard=chosen.shard,
            executions=self.executions,
            takeover=takeover,
            every_seconds=chosen.sweep_seconds,
        )
        self.calls = Calls(
            nc=nc,
            shard=chosen.shard,
            executions=self.executions,
            reader=reader,
            tools=ToolCalls(executions=self.executions, wishes=wishes),
            undos=UndoCalls(executions=self.executions, wishes=wishes),
            models=ModelCalls(
                scribe=scribe,
                executions=self.executions,
                law=self.law,
                takeover=takeover,
                purses=self.purses,
                asking=Asking(
                    law=self.law,
                    models=self.models,
                    prices=prices.load(chosen.price_table),
                    providers=self.providers,
                    timeout_seconds=chosen.model_timeout_seconds,
                ),
            ),
            most_waiting=chosen.concurrency * WAITING_PER_CALL,
            metrics=self.metrics,
        )
        self._measure()

    @classmethod
    async def connect(cls, chosen: Settings) -> "Gateway":
        """A gateway with its connection to the broker.

        Raises:
            errors.SettingsError: a file it is told of cannot be used.
            errors.KeelstepError: the broker is not there, or does not accept it.
        """
        signer = _signer(chosen.signing_key)
        keyring = _keyring(chosen.keyring)
        if not keyring.knows(signer, types.Writer.GATEWAY):
            raise errors.SettingsError(
                f"KEELSTEP_SIGNING_KEY: KEELSTEP_KEYRING has no gateway's key {signer.kid}, so nobody would believe it"
            )
        _text("KEELSTEP_NATS_CREDENTIALS", chosen.nats_credentials)
        source: credentials.CredentialSource
        if chosen.credentials_source == "directory":
            assert chosen.credentials_dir is not None
            if not chosen.credentials_dir.is_dir():
                raise errors.SettingsError(f"KEELSTEP_CREDENTIALS_DIR: {chosen.credentials_dir} is no folder")
            source = credentials.Directory(chosen.credentials_dir)
        else:
            source = credentials.Secrets(await kube.Kube.connect(chosen.kubeconfig))
        nc = await connection.connect(
            chosen.nats_url,
            chosen.nats_credentials,
            "gateway",
            inbox_prefix=identities.inbox(identities.Role.GATEWAY),
            tls_ca=chosen.nats_ca_file,
        )
        return cls(chosen, nc, signer, keyring, source)

    async def run(self) -> None:
        """Serve until a signal, or until the connection is closed for good.

        Raises:
            ExceptionGroup: of what ended it.
        """
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        try:
            await self._wait_for_broker()
            measured = scrape.served(self.metrics.registry, self.chosen.metrics_port)
            async with measured, asyncio.TaskGroup() as group:
                group.create_task(self.view.run())
                group.create_task(self.board.run())
                group.create_task(self.purses.run())
                group.create_task(self._follow())
                group.create_task(self._check_clock())
                await self.law.wait_known(START_SECONDS)
                if not self.view.is_current:
                    log.warning(
                        "control_unknown", message="only reads are answered until it is known what is stopped"
                    )
                await self.presence.start()
                sweep = group.create_task(self.sweep.run())
                if self.chosen.preload_models and self.providers.need_library:
                    self.models.load()
                await self.calls.start()
                gc.freeze()  # what is loaded by now stays: to walk it again and again costs calls a tenth, and pauses
                log.info("ready", owner=self.presence.owner, shard=self.chosen.shard)
                await stop.wait()
                self.is_draining = True
                sweep.cancel()
                self.limiter.close()
                await self.calls.stop(self.chosen.drain_seconds)
                await self.purses.give_back()
                raise _StopError
        except* _StopError:
            log.info("stopped")
        finally:
            await self._close()

    async def _wait_for_broker(self) -> None:
        """Return once the streams are there, which the operator makes, and this clock is the broker's.

        Raises:
            errors.ClockSkewError: it is not.
            errors.BrokerClosedError: the connection is closed for good.
        """
        told = ""
        while True:
            try:
                return await connection.check_clock(self.nc, clock.now)
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                if error.message != told:
                    log.warning("broker_not_ready", why=error.message)
                told = error.message
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self) -> None:
        """Hear of the operator and of all gateways; what a runner has written it names itself when it asks."""

        def hear(heard: follow.Heard) -> None:
            self.executions.hear(heard)
            self.sweep.hear(heard)

        await follow.follow(self.nc, self.chosen.shard, hear, writers=_HEARD, on_begin=self.sweep.begin)

    async def _check_clock(self) -> None:
        """Begin nothing while this clock is not the broker's."""
        while True:
            await asyncio.sleep(CLOCK_CHECK_SECONDS)
            try:
                await connection.check_clock(self.nc, clock.now)
                self.law.clock_problem = ""
            except errors.ClockSkewError as error:
                self.law.clock_problem = error.message
                log.error("clock_wrong", message=error.message)
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                log.warning("clock_not_checked", why=error.message)

    def _measure(self) -> None:
        """What is looked up when somebody asks for the metrics."""
        gauge = self.metrics.gauge
        gauge("keelstep_gateway_requests_in_flight", lambda: self.calls.in_flight)
        gauge("keelstep_gateway_queue_depth", lambda: self.calls.waiting)
        gauge("keelstep_gateway_calls", lambda: len(self.executions.flights()))
        gauge("keelstep_gateway_executions", lambda: len(self.executions))
        gauge("keelstep_open_calls", lambda: self.sweep.open_calls)
        gauge("keelstep_calls_waiting", lambda: self.limiter.waiting)
        gauge("keelstep_breakers_open", lambda: self.limiter.breakers.opened)
        gauge("keelstep_control_current", lambda: self.view.is_current)

    def _describe(self) -> dict[str, str]:
        return {
            "control": str(self.view.position),
            "state": "draining" if self.is_draining else "ready",
            "shard": str(self.chosen.shard),
        }

    async def _close(self) -> None:
        await self.source.close()
        await self.transport.close()
        await self.models.close()
        self.evaluator.close()
        await self.nc.close()


def _signer(path: Path) -> Signer:
    try:
        return Signer.parse(_text("KEELSTEP_SIGNING_KEY", path))
    except ValueError as error:
        raise errors.SettingsError(f"KEELSTEP_SIGNING_KEY: {path}: {error}") from error


def _keyring(path: Path) -> Keyring:
    try:
        return Keyring.parse(_text("KEELSTEP_KEYRING", path).encode())
    except ValueError as error:
        raise errors.SettingsError(f"KEELSTEP_KEYRING: {path}: {error}") from error


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(f"{name}: {path} cannot be read: {error}") from error
