"""What does a person see with plain kubectl?"""

import os
import re
from pathlib import Path

import pytest

from keelstep.log import names
from tests.integration.views import stage
from tests.integration.views.written import Writers

TABLES = Path(__file__).parent / "tables"
ASKED = {
    "trace": ("executiontraces", "refund-1"),
    "trace-wide": ("executiontraces", "refund-1", "--output=wide"),
    "log": ("executionlogs", "refund-1"),
    "verification": ("executionverifications", "refund-1"),
    "traces": ("executiontraces",),
    "verifications": ("executionverifications", "--output=wide"),
}


@pytest.mark.parametrize("table", ASKED)
async def test_kubectl_prints_the_table(
    table: str, views: stage.Views, writers: Writers, namespace: str
) -> None:
    """`kubectl get` prints our own columns: compared with the checked-in text, times and digests masked."""
    await (await writers.bound(namespace, "refund-1")).refund()
    await (await writers.bound(namespace, "refund-2")).start()
    await writers.bound(namespace, "refund-3")
    spoken = await views.kubectl("get", f"--namespace={namespace}", *ASKED[table])
    file = TABLES / f"{table}.txt"
    printed = stage.masked(spoken.output)
    if table == "log":
        printed = re.sub(r"(?m)^\d+", "#", printed)  # where in the stream it lies depends on the other tests
    if os.environ.get("UPDATE_TABLES"):
        file.write_text(printed)
    assert printed == file.read_text()


async def test_kubectl_explains_every_field(views: stage.Views) -> None:
    """The docstrings of `resources` are what `kubectl explain` shows."""
    spoken = await views.kubectl("explain", "executiontraces.economics.seconds.people")
    assert "A person was asked. Unit: seconds." in spoken.output


async def test_short_names_and_categories_work(views: stage.Views, writers: Writers, namespace: str) -> None:
    """`kubectl get xtrace` is enough to type."""
    await (await writers.bound(namespace, "refund-1")).start()
    spoken = await views.kubectl("get", "xtrace", "refund-1", f"--namespace={namespace}")
    assert "exec.started" in spoken.output


async def test_json_says_all(views: stage.Views, writers: Writers, namespace: str) -> None:
    """Programs ask for JSON: the lines with money as text, what it used by model and tool, where to read on."""
    run = await (await writers.bound(namespace, "refund-1")).refund()
    found = (await views.fetch(f"namespaces/{namespace}/executiontraces/refund-1")).body
    assert (found["kind"], found["metadata"]["uid"]) == ("ExecutionTrace", run.xid)
    assert found["summary"]["costUSD"] == "0.00575"
    assert [line["seq"] for line in found["lines"]] == list(range(1, 17))
    assert {share["target"]: share["costUSD"] for share in found["economics"]["shares"]} == {
        "scripted/model-1": "0.00375",
        "refund.issue": "0.002",
        "orders.get": "0",
    }
    times = dict(found["economics"]["seconds"])
    assert times.pop("total") == pytest.approx(sum(times.values()), abs=0.01)


async def test_a_released_name_still_has_its_log(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Deleting the resource deletes nothing of what happened."""
    run = await (await writers.bound(namespace, "refund-1")).refund()
    await names.Names(writers.operator).release(namespace, "refund-1", run.xid, "ada@shop.example")
    spoken = await views.kubectl("get", "executionverifications", "refund-1", f"--namespace={namespace}")
    assert "Verified" in spoken.output


async def test_a_new_event_is_seen_at_once(views: stage.Views, writers: Writers, namespace: str) -> None:
    """The answer is the log as it is now, not as it was when it was asked for first."""
    run = await writers.bound(namespace, "refund-1")
    path = f"namespaces/{namespace}/executiontraces/refund-1"
    assert (await views.fetch(path)).body["summary"]["phase"] == "Pending"
    await run.start()
    assert (await views.fetch(path)).body["summary"]["phase"] == "Scheduled"
    await run.hold(1)
    assert (await views.fetch(path)).body["summary"]["events"] == 4


NOT_FOUND = {
    "a name that nobody ever used": "executiontraces/never",
    "a name that would widen a subject": "executiontraces/*",
    "a name that is no name": "executiontraces/..%2F..",
    "a kind that is none of ours": "executions/refund-1",
}


@pytest.mark.parametrize("case", NOT_FOUND)
async def test_what_is_not_there_is_not_found(case: str, views: stage.Views, namespace: str) -> None:
    """A Status that every client understands, never another's log."""
    answer = await views.fetch(f"namespaces/{namespace}/{NOT_FOUND[case]}")
    assert (answer.status, answer.body["kind"], answer.body["reason"]) == (404, "Status", "NotFound")


async def test_views_are_read_only(views: stage.Views, writers: Writers, namespace: str) -> None:
    """Not even an administrator deletes or watches one."""
    await (await writers.bound(namespace, "refund-1")).start()
    where = f"--namespace={namespace}"
    assert "MethodNotAllowed" in (await views.kubectl("delete", "executiontraces", "refund-1", where)).error
    watched = await views.fetch(f"namespaces/{namespace}/executiontraces?watch=true")
    assert (watched.status, watched.body["reason"]) == (405, "MethodNotAllowed")
