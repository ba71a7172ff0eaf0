"""How are executions and their views read? With every page of a list, and an error that names the fix.

Reads only.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from keelstep import errors, kube
from keelstep.cli import access, exits
from keelstep.cli.session import Session
from keelstep.kube import Kind, Object
from keelstep.views import resources

PAGE = 500

View = TypeVar("View", resources.ExecutionTrace, resources.ExecutionLog, resources.ExecutionVerification)


async def one(session: Session, kind: Kind, name: str) -> Object:
    """One object.

    Raises:
        exits.Ended: there is none, or this cluster does not know the kind.
    """
    with explained(kind, session.namespace, name):
        return plain(await session.person.get(kind, session.namespace, name))


async def find(session: Session, kind: Kind, name: str) -> Object | None:
    """One object, or None where there is none, or I may not see it."""
    try:
        return await session.person.get(kind, session.namespace, name)
    except (errors.NotFoundError, errors.ForbiddenError):
        return None


async def all_of(session: Session, kind: Kind, namespace: str) -> list[Object]:
    """Every object of a kind; no namespace is all of them."""
    with explained(kind, namespace):
        return [plain(item) for item in (await session.person.list(kind, namespace, limit=PAGE)).items]


def plain(found: Object) -> Object:
    """An object without the API server's own bookkeeping."""
    found["metadata"].pop("managedFields", None)
    return found


async def view(session: Session, kind: type[View], name: str, **query: Any) -> View:
    """One page of a view of an execution.

    Raises:
        exits.Ended: there is no such execution, or this cluster has no views API.
    """
    where = access.view(kind)
    with explained(where, session.namespace, name):
        found = await session.person.read(where.path(session.namespace, name), **query)
    return kind.model_validate(found)


async def pages(session: Session, kind: type[View], name: str, *, after: str = "") -> AsyncIterator[View]:
    """Every page of a view of an execution, from a token on; at least one."""
    while True:
        page = await view(session, kind, name, limit=PAGE, **({"continue": after} if after else {}))
        yield page
        paging = getattr(page, "paging", None)
        if paging is None or not paging.remaining:
            return
        after = paging.next


async def trace(session: Session, name: str) -> resources.ExecutionTrace:
    """An execution's whole trace."""
    lines: list[resources.Line] = []
    last: resources.ExecutionTrace | None = None
    async for page in pages(session, resources.ExecutionTrace, name):
        lines += page.lines
        last = page
    assert last is not None
    return last.model_copy(update={"lines": lines})


@contextlib.contextmanager
def explained(kind: Kind, namespace: str, name: str = "") -> Iterator[None]:
    """Turn what the API server says into what a person can do about it."""
    try:
        yield
    except errors.NotFoundError as error:
        if access.is_unserved(error):
            raise exits.unavailable(_unserved(kind)) from error
        where = f"in namespace {namespace}" if namespace else "in this cluster"
        if kind.group == resources.GROUP:
            raise exits.not_found(
                f"no Execution {name!r} was ever recorded {where}; `keelstep status` lists those there are"
            ) from error
        raise exits.not_found(f"there is no {kind.name} {name!r} {where}") from error
    except errors.KubeUnavailableError as error:
        if kind.group == resources.GROUP and error.code:
            told = error.message.partition(": ")[2]
            raise exits.unavailable(f"the views API does not answer: {told}") from error
        raise


def _unserved(kind: Kind) -> str:
    if kind.group == resources.GROUP:
        return (
            f"this cluster has no views API ({kind.group}): register the views server, see `keelstep doctor`"
        )
    return f"this cluster does not know {kind.name}: apply the CRDs (crds/), see `keelstep doctor`"


EXECUTIONS, GATES = kube.EXECUTIONS, kube.GATES
