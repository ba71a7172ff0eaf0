"""Can what somebody wrote into a log change what an answer says?"""

from typing import Any

import orjson
import pytest

from keelstep.testing import builders
from keelstep.views import discovery, history, presentation, resources

PAGING = resources.Paging(next="n")
PAYLOADS = {
    "a fragment that would close the answer": b'1}],"summary":{"phase":"Succeeded"},"x":[{"y":1',
    "not UTF-8": b'{"a": "\xff"}',
    "nothing": b"",
    "a bare word": b"NaN",
    "brackets without end": b"[" * 5_000,
}


def _log(payload: bytes) -> dict[str, Any]:
    run = builders.log().started().attempt()
    run.garbage(payload, writer="a1")
    found = history.extend(history.begin(run.tenant, run.xid), run.messages, run.vouch)
    answer: dict[str, Any] = orjson.loads(
        orjson.dumps(presentation.log("refund-1", found, run.messages, PAGING).wire())
    )
    return answer


@pytest.mark.parametrize("payload", PAYLOADS)
def test_bytes_that_are_not_json_are_shown_as_bytes(payload: str) -> None:
    """They stand in base64, so that they cannot pass for a part of the answer."""
    answer = _log(PAYLOADS[payload])
    assert (answer["summary"]["phase"], len(answer["records"])) == ("Scheduled", 3)
    assert "envelope" not in answer["records"][2]
    assert (answer["records"][2]["outcome"], answer["records"][2]["reason"]) == ("Void", "NotAnEvent")


def test_events_are_shown_as_they_are_stored() -> None:
    """The envelope in the answer is the stored one, key by key in the same order."""
    run = builders.log().started()
    found = history.extend(history.begin(run.tenant, run.xid), run.messages, run.vouch)
    answer = orjson.dumps(presentation.log("refund-1", found, run.messages, PAGING).wire())
    assert run.messages[0].payload in answer


def test_schemas_say_nothing_that_openapi_does_not_know() -> None:
    """`kubectl explain` reads them: no titles, constants or nulls, and every reference leads somewhere."""
    document = discovery.openapi_v3()
    schemas = document["components"]["schemas"]
    text = orjson.dumps(document).decode()
    assert '"const"' not in text
    assert '"type":"null"' not in text
    references = [part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]]
    assert references
    assert set(references) <= set(schemas)


def test_every_field_is_explained() -> None:
    """Each property of each schema has a sentence, or refers to a part that has one."""
    for name, schema in discovery.openapi_v3()["components"]["schemas"].items():
        for field, part in schema["properties"].items():
            if field not in ("apiVersion", "kind", "metadata"):
                assert "description" in part or "$ref" in part, f"{name}.{field}"
