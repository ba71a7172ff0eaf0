"""Does the credential of a tool stand anywhere that a person or a program may look? In no object, no trace and no log.

What the gateway itself writes is searched in integration/gateway/transports/test_secrets.py, with every way to fail; here a
tool that repeats what it was sent meets the operator, the views and the API server.
"""

import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hack.local.world import AUTHOR, Tenant
from tests.e2e import person
from tests.integration.gateway.transports.test_secrets import found_in

TOOL = "credit.grant"
ECHOES: dict[str, tuple[int, str, str]] = {
    "ok": (200, "application/json", '{"id": %s, "state": "granted"}'),
    "refused": (401, "application/json", '{"error": {"message": %s}}'),
    "down": (503, "application/json", '{"error": {"message": %s}}'),
    "html": (200, "text/html", "<h1>%s</h1>"),
    "odd": (200, "application/json", '{"surprise": [%s]}'),
}
"""What it answers by the path it is asked at; the header it was sent stands in it."""


class _Echo(http.server.BaseHTTPRequestHandler):
    """A tool that repeats its caller's credential."""

    def do_POST(self) -> None:
        """Any call."""
        self.rfile.read(int(self.headers["Content-Length"]))
        sent = self.headers["Authorization"]
        self.server.heard.append(sent)  # type: ignore[attr-defined]  # the test's own list
        status, media_type, text = ECHOES[self.path.strip("/")]
        body = (text % json.dumps(sent)).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


class Server(http.server.ThreadingHTTPServer):
    """One that remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.heard: list[str] = []


@pytest.fixture
def echo() -> Iterator[Server]:
    """A running one."""
    with Server() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def leads_to(tenant: Tenant, echo: Server, path: str) -> None:
    """The contract is edited to lead there, with the credential that it had."""
    reviewed = next(each for each in tenant.manifests("contracts.yaml") if each["metadata"]["name"] == TOOL)
    where = {"url": f"http://127.0.0.1:{echo.server_port}/{path}"}
    changes = {"transport": {"http": where}, "failurePolicy": {"retryable": [], "notPerformed": [401, 503]}}
    tenant.apply(tenant.person(AUTHOR), [person.changed(reviewed, TOOL, changes)])

    def is_known() -> bool:
        found = tenant.get("toolcontracts", TOOL)
        return bool((found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"])

    tenant.until("the contract to be known as it is", is_known)


def objects(tenant: Tenant) -> bytes:
    """Everything in the namespace that the API server shows, but the Secrets themselves."""
    listed = tenant.admin.run("api-resources", "--verbs=list", "--namespaced", "--output=name", shown=False)
    kinds = [each for each in listed.split() if each != "secrets"]
    assert {"executions.keelstep.io", "toolcontracts.keelstep.io", "events"} <= set(kinds)
    assert "executiontraces.views.keelstep.io" in kinds
    found = [tenant.admin.run("get", each, "-n", tenant.name, "-o", "json", shown=False) for each in kinds]
    return "\n".join(found).encode()


def test_a_tool_that_repeats_its_credential_tells_it_to_nobody(tenant: Tenant, echo: Server) -> None:
    """Runs that succeed and fail by it; what they say, what is said of them, and what programs log."""
    canary = f'cnry-{secrets.token_hex(8)}"+/=\\\\%&'
    patch = json.dumps({"stringData": {"shop-token": canary}})
    named = ("keelstep-credentials", "-n", tenant.name)
    tenant.admin.run("patch", "secret", *named, "--type=merge", "-p", patch, shown=False)
    for path in ECHOES:
        leads_to(tenant, echo, path)
        person.ask(tenant, f"echo-{path}", "Grant one credit")
        tenant.until_phase(f"echo-{path}", "Succeeded", "Failed")
    assert len(echo.heard) >= len(ECHOES)
    assert set(echo.heard) == {f"Bearer {canary}"}
    shown = [
        person.keelstep(tenant, verb, f"echo-{path}", "-o", "json").output.encode()
        for path in ECHOES
        for verb in ("trace", "log")
    ]
    logs = [each.read_bytes() for each in (tenant.platform.folder / "logs").glob("*.log")]
    searched = b"\n".join([objects(tenant), *shown, *logs])
    assert found_in(searched, {"goal": "Grant one credit"}) == ["goal"]
    assert found_in(searched, {"canary": canary}) == []
