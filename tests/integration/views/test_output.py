"""Can what a run answered be read, wherever it lies?"""

import json

import pytest

from tests.integration.kinds import api
from tests.integration.views import stage
from tests.integration.views.written import Writers, Written

LARGE = json.dumps({"summary": "the kettle leaks. " * 1_000})
OUTPUTS = {"in the event": '{"resolution": "refunded"}', "in the object store": LARGE, "null": "null"}


async def _log(views: stage.Views, run: Written, query: str = "") -> api.Object:
    answer = await views.fetch(f"namespaces/{run.tenant}/executionlogs/{run.name}{query}")
    assert answer.is_ok, answer.message
    return answer.body


@pytest.mark.parametrize("where", OUTPUTS)
async def test_a_runs_output_stands_in_its_log(
    where: str, views: stage.Views, writers: Writers, namespace: str
) -> None:
    """As content, with the digest that the event names; whoever may read the log reads it with plain kubectl."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    assert "output" not in await _log(views, run)
    await run.finish(OUTPUTS[where])
    body = await _log(views, run)
    output, ended = body["output"], body["records"][-1]["envelope"]["data"]["output"]
    assert output["value"] == json.loads(OUTPUTS[where])
    assert (output["digest"], output["size"]) == (ended["digest"], len(OUTPUTS[where]))
    vera = await views.viewer(namespace)
    words = (
        "get",
        "executionlogs",
        "refund-1",
        f"--namespace={namespace}",
        "--output=jsonpath={.output.value}",
    )
    assert json.loads((await views.kubectl(*words, persona=vera)).output or "null") == output["value"]


async def test_only_the_first_page_holds_the_output(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Whoever reads a long log page by page reads it once; whoever wants nothing else asks for one message."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    await run.finish(LARGE)
    first = await _log(views, run, "?limit=1")
    assert (len(first["records"]), first["output"]["value"]) == (1, json.loads(LARGE))
    assert "output" not in await _log(views, run, f"?continue={first['paging']['next']}")


async def test_an_output_that_is_not_the_one_named_is_not_shown(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Other bytes at its address are no output; the log says so and is still read."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    await run.finish(LARGE, stored=LARGE.replace("kettle", "teapot"))
    body = await _log(views, run)
    assert "value" not in body["output"]
    assert body["output"]["missing"].startswith("payload does not match digest")
    assert len(body["records"]) == 3
