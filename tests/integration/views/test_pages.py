"""Is a long answer whole, however it is read?"""

from collections.abc import AsyncIterator

import pytest

from keelstep.log import jetstream, subjects
from tests.integration.kinds import api
from tests.integration.views import stage
from tests.integration.views.written import Writers, Written


@pytest.fixture
async def long_run(writers: Writers, namespace: str) -> Written:
    """A run of 1,002 events."""
    run = await writers.bound(namespace, "long")
    await run.start()
    await run.hold(500)
    return run


async def _pages(views: stage.Views, run: Written, kind: str, limit: int) -> AsyncIterator[api.Object]:
    after = ""
    while True:
        path = f"namespaces/{run.tenant}/{kind}/{run.name}?limit={limit}&continue={after}"
        answer = await views.fetch(path)
        assert answer.is_ok, answer.message
        yield answer.body
        after = answer.body["paging"]["next"]
        if not answer.body["paging"]["remaining"]:
            return


async def test_a_thousand_events_are_read_in_pages(views: stage.Views, long_run: Written) -> None:
    """Every event once, in order, although the log grows between the pages; what came last is read on with the token."""
    seen: list[int] = []
    grown, after = False, ""
    async for page in _pages(views, long_run, "executiontraces", 300):
        seen += [line["seq"] for line in page["lines"]]
        after = page["paging"]["next"]
        if not grown:
            await long_run.hold(1)
            grown = True
    assert seen == list(range(1, 1005))
    await long_run.hold(1)
    path = f"namespaces/{long_run.tenant}/executiontraces/long?continue={after}"
    assert [line["seq"] for line in (await views.fetch(path)).body["lines"]] == [1005, 1006]


async def test_a_log_is_read_in_pages(views: stage.Views, long_run: Written) -> None:
    """Every message once, in order; a page holds what was asked for."""
    pages = [page async for page in _pages(views, long_run, "executionlogs", 400)]
    assert [len(page["records"]) for page in pages] == [400, 400, 202]
    positions = [record["position"] for page in pages for record in page["records"]]
    assert positions == sorted(set(positions))


async def test_a_log_of_large_messages_is_read_in_parts(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Neither the fold nor a page holds all of it at once; what is shown is the same."""
    run = await writers.bound(namespace, "large")
    await run.start()
    for number in range(300):
        await jetstream.publish(
            writers.operator, subjects.spine(0, namespace, run.xid, "op"), b"%04d" % number + b"x" * 60_000
        )
    pages = [page async for page in _pages(views, run, "executionlogs", 5_000)]
    assert len(pages) == 3
    positions = [record["position"] for page in pages for record in page["records"]]
    assert len(positions) == len(set(positions)) == 302
    assert [page["paging"]["remaining"] for page in pages][-1] == 0
    assert all(
        sum(len(record.get("bytes") or "") for record in page["records"]) < 12_000_000 for page in pages
    )


async def test_without_a_limit_all_of_it_comes(views: stage.Views, long_run: Written) -> None:
    """kubectl does not page one object: what fits is printed, and nothing is left out silently."""
    spoken = await views.kubectl("get", "executiontraces", "long", f"--namespace={long_run.tenant}")
    assert len(spoken.output.splitlines()) == 1003
    assert spoken.stderr == ""


async def test_kubectl_is_warned_of_what_was_left_out(views: stage.Views, long_run: Written) -> None:
    """A limited answer says so on standard error."""
    path = f"{stage.ROOT}/namespaces/{long_run.tenant}/executiontraces/long?limit=2"
    spoken = await views.kubectl("get", "--raw", path)
    assert "Warning: 1000 more were left out" in spoken.stderr


async def test_executions_are_listed_in_pages(views: stage.Views, writers: Writers, namespace: str) -> None:
    """By name, each once; one that appears meanwhile does not shift the others."""
    names = [f"run-{number}" for number in range(7)] + ["run.with.dots"]
    for name in names:
        await writers.bound(namespace, name)
    first = (await views.fetch(f"namespaces/{namespace}/executiontraces?limit=3")).body
    await writers.bound(namespace, "run-0-late")
    after = first["metadata"]["continue"]
    second = (await views.fetch(f"namespaces/{namespace}/executiontraces?limit=50&continue={after}")).body
    seen = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert seen == names
    assert (first["metadata"]["remainingItemCount"], "continue" in second["metadata"]) == (5, False)
    spoken = await views.kubectl("get", "executiontraces", "--chunk-size=2", f"--namespace={namespace}")
    assert len(spoken.output.splitlines()) == 1 + len(names) + 1


async def test_every_namespace_can_be_listed(views: stage.Views, writers: Writers, namespace: str) -> None:
    """Whoever may, sees all tenants, each row with its own namespace."""
    await writers.bound(namespace, "somewhere")
    spoken = await views.kubectl("get", "executiontraces", "--all-namespaces")
    assert f"{namespace} " in spoken.output


async def test_one_unreadable_name_does_not_hide_the_others(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """The list goes on and warns; asked for alone, the name is refused with its reason."""
    await writers.bound(namespace, "readable")
    await jetstream.publish(writers.operator, subjects.name(namespace, "broken"), b"{}")
    spoken = await views.kubectl("get", "executiontraces", f"--namespace={namespace}")
    assert "readable" in spoken.output
    assert f"the name {namespace}/broken is no record of ours" in spoken.stderr
    answer = await views.fetch(f"namespaces/{namespace}/executiontraces/broken")
    assert (answer.status, answer.body["reason"]) == (500, "NameUnreadable")


TOKENS = {
    "a token of nobody's making": ("continue=nonsense", 400, "continue: not a token"),
    "a limit that is no number": ("limit=many", 400, "limit: expected a number"),
}


@pytest.mark.parametrize("case", TOKENS)
async def test_a_question_that_makes_no_sense_is_refused(
    case: str, views: stage.Views, writers: Writers, namespace: str
) -> None:
    """A Status with the field's name."""
    await writers.bound(namespace, "refund-1")
    query, status, message = TOKENS[case]
    answer = await views.fetch(f"namespaces/{namespace}/executiontraces/refund-1?{query}")
    assert answer.status == status
    assert message in answer.message


async def test_a_token_of_another_execution_has_expired(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Pages of two logs are never put together."""
    for name in ("first", "second"):
        await (await writers.bound(namespace, name)).start()
    page = (await views.fetch(f"namespaces/{namespace}/executiontraces/first?limit=1")).body
    token = page["paging"]["next"]
    answer = await views.fetch(f"namespaces/{namespace}/executiontraces/second?continue={token}")
    assert (answer.status, answer.body["reason"]) == (410, "Expired")
