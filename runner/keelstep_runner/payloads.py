"""Where are the payloads that this run's events name? Each is fetched, checked and kept once per process.

Nothing here is state: what is forgotten is fetched again.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keelstep import errors
from keelstep.domain import canonical, present, transcript
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State
from keelstep.events import types, value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.objects import Objects
from keelstep_runner.ask import Gateway


@dataclass(slots=True, kw_only=True)
class Payloads:
    """The payloads of one execution, as one attempt may reach them."""

    gateway: Gateway
    objects: Objects
    known: dict[str, bytes] = field(default_factory=dict)
    """By digest."""
    _since: int = 0
    """What earlier model calls and their plans name is all known: a later one begins only once they are done."""

    async def load(self, state: State) -> Mapping[str, bytes]:
        """Every payload that the next messages are made of.

        Raises:
            errors.PayloadMissingError: the gateway does not have one.
            errors.ObjectForgedError: one is not what its digest says.
        """
        for wanted in transcript.needed(state, self._since):
            await self.open(wanted)
        self._since = state.ordinal
        return self.known

    async def open(self, wanted: value.Value) -> bytes:
        """One payload. Raises as `load`."""
        known = self.known.get(wanted.digest)
        if known is None:
            known = self.known[wanted.digest] = await self._fetch(wanted)
        return known

    async def arguments(self, sealed: value.Value) -> tuple[Mapping[str, Any], str]:
        """A planned call's arguments; where they cannot be used, why: the call is then denied, not the run ended."""
        try:
            document = canonical.loads(await self.open(sealed))
        except errors.PayloadMissingError:
            return {}, "they are not in the object store"
        except errors.ObjectForgedError:
            return {}, "they do not match their digest"
        except ValueError:
            return {}, "they are not JSON"
        return (document, "") if isinstance(document, dict) else ({}, "they are not a JSON object")

    async def earlier(self, state: State, pinned: Pinned, number: int | None) -> bytes | None:
        """The output of an earlier result, as far as the model may see it; None where it has none to see.

        Raises:
            errors.PayloadMissingError: the gateway does not have it.
            errors.ObjectForgedError: it is not what its digest says.
        """
        found = state.answer_of(number) if number is not None else None
        spec = pinned.contracts.get(found.tool) if found is not None else None
        if found is None or found.output is None or spec is None:
            return None
        try:
            return present.visible(spec, await self.open(found.output))
        except present.PresentError:
            return None

    async def show(self, spec: ToolContractSpec, output: bytes) -> types.Shown | None:
        """What the model is shown of an output, stored; None where that is the whole of it."""
        shown = present.show(spec, output)
        if shown is None or shown.payload is None:
            return shown.recorded(None) if shown is not None else None
        sealed = await self.seal(shown.payload, shown.media_type, value.INLINE_LIMIT_BYTES)
        return shown.recorded(sealed)

    async def seal(self, payload: bytes, media_type: str, inline_limit_bytes: int) -> value.Value:
        """A payload's Value, stored where it is not inline before any event names it."""
        sealed = value.seal(
            payload,
            media_type=media_type,
            salt=secrets.token_hex(16),
            inline_limit_bytes=inline_limit_bytes,
        )
        self.known[sealed.digest] = payload
        if sealed.ref is not None:
            await self.objects.put(self.gateway.tenant, self.gateway.xid, sealed, payload)
        return sealed

    async def _fetch(self, wanted: value.Value) -> bytes:
        try:
            inline = value.open_inline(wanted)
            if inline is not None:
                return inline
            return value.check(wanted, await self.gateway.object(wanted.digest))
        except value.MismatchError as error:
            raise errors.ObjectForgedError(str(error)) from error
