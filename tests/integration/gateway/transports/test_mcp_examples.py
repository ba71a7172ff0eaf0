"""Do the official SDK's example servers, unchanged, work through the transport? By standard input and by HTTP."""

import sys
from pathlib import Path
from typing import Any

import pytest

from keelstep.domain import canonical, outcome
from keelstep.domain.outcome import Answer, NoAnswer
from keelstep.testing import ports
from tests.integration.gateway.transports import caller, sdk
from tests.integration.gateway.transports.caller import contract
from tests.integration.gateway.transports.server import Server

_MCP = ("-c", "from mcp.cli import app; app()")
"""The SDK's own command."""
Case = tuple[list[str], str, str, dict[str, Any], Any]
"""Arguments of Python, the folder on its path, the tool, its arguments, the output."""


@pytest.fixture(scope="session")
def examples() -> Path:
    """The SDK's own examples."""
    return sdk.fetch()


def output(spec: Any, seen: Any) -> Any:
    """What the contract makes of an answer."""
    judged = outcome.judge(spec, seen)
    assert judged.output is not None, judged
    return canonical.loads(judged.output)


COMMANDS: dict[str, Case] = {
    "mcpserver/simple_echo": (
        ["run", "mcpserver/simple_echo.py"],
        "",
        "echo",
        {"text": "hi"},
        {"result": "hi"},
    ),
    "mcpserver/unicode_example": (
        ["run", "mcpserver/unicode_example.py"],
        "",
        "hello_unicode",
        {"name": "Zoë", "greeting": "¡Hola"},
        {"result": "¡Hola, Zoë! 👋"},
    ),
    "mcpserver/complex_inputs": (
        ["run", "mcpserver/complex_inputs.py"],
        "",
        "name_shrimp",
        {"tank": {"shrimp": [{"name": "a"}]}, "extra_names": ["b"]},
        {"result": ["a", "b"]},
    ),
    "mcpserver/echo": (["run", "mcpserver/echo.py"], "", "echo_tool", {"text": "hi"}, {"result": "hi"}),
    "mcpserver/direct_call_tool_result_return": (
        ["run", "mcpserver/direct_call_tool_result_return.py"],
        "",
        "echo",
        {"text": "hi"},
        {"text": "hi"},
    ),
    "mcpserver/icons_demo": (
        ["run", "mcpserver/icons_demo.py"],
        "",
        "demo_tool",
        {"message": "hi"},
        {"result": "hi"},
    ),
    "mcpserver/logging_and_progress": (
        ["run", "mcpserver/logging_and_progress.py"],
        "",
        "echo",
        {"text": "hi"},
        {"result": "hi"},
    ),
    "mcpserver/parameter_descriptions": (
        ["run", "mcpserver/parameter_descriptions.py"],
        "",
        "greet_user",
        {"name": "Ada", "times": 2},
        {"result": "Hello Ada!\nHello Ada!"},
    ),
    "mcpserver/readme-quickstart": (
        ["run", "mcpserver/readme-quickstart.py"],
        "",
        "sum",
        {"a": 1, "b": 2},
        {"result": 3},
    ),
    "mcpserver/weather_structured": (
        ["run", "mcpserver/weather_structured.py"],
        "",
        "get_weather_metrics",
        {"cities": ["Oslo"]},
        {"Oslo": {"temperature": 20.0, "humidity": 60.0, "pressure": 1013.0}},
    ),
    "servers/structured-output-lowlevel": (
        ["mcp_structured_output_lowlevel"],
        "servers/structured-output-lowlevel",
        "get_weather",
        {"city": "Oslo"},
        None,
    ),
    "servers/simple-pagination": (
        ["mcp_simple_pagination"],
        "servers/simple-pagination",
        "tool_7",
        {},
        "Called tool 'tool_7' with arguments: {}",
    ),
    "stories/tools": (
        ["stories.tools.server"],
        ".",
        "calc",
        {"op": "add", "a": 2, "b": 3},
        {"op": "add", "result": 5.0},
    ),
    "stories/tools, by text": (
        ["stories.tools.server_lowlevel"],
        ".",
        "echo",
        {"text": '{"a": 1}'},
        {"a": 1},
    ),
    "stories/streaming, with progress": (
        ["stories.streaming.server"],
        ".",
        "countdown",
        {"steps": 3},
        {"completed": 3, "total": 3},
    ),
}


@pytest.mark.parametrize("case", COMMANDS.values(), ids=COMMANDS.keys())
async def test_an_example_is_run_as_a_command(examples: Path, tmp_path: Path, case: Case) -> None:
    """Its tool is called, and called again in the same session."""
    arguments, folder, tool, args, expected = case
    command = [sys.executable, "-m", *arguments]
    if arguments[0] == "run":
        command = [sys.executable, *_MCP, "run", str(examples / arguments[1])]
    environment = [{"name": "PYTHONPATH", "value": str(examples / folder)}]
    spec = contract({"mcp": {"tool": tool, "stdio": {"command": command, "environment": environment}}})
    async with caller.calling(commands=sdk.allowing(tmp_path, command, ["PYTHONPATH"])) as calls:
        for _ in range(2):
            found = output(spec, await calls.call(spec, args, timeout_seconds=30.0))
            assert expected is None or found == expected


ELSEWHERE: dict[str, str] = {
    "mcpserver/desktop": "lists a person's desktop; its tool is that of readme-quickstart",
    "mcpserver/memory": "asks a model for embeddings, with a key of its own",
    "mcpserver/screenshot": "needs a screen",
    "mcpserver/text_me": "sends text messages, with a key of its own",
    "servers/simple-auth": "sends a person to a browser; no gateway does that",
    "servers/simple-prompt": "has no tools",
    "servers/simple-resource": "has no tools",
    "servers/simple-tool": "is called in a test of its own",
}
"""Why an example is not in the tables."""


def test_every_example_server_is_run_or_it_is_said_why_not(examples: Path) -> None:
    """A new version of the SDK may bring more."""
    servers = {f"servers/{each.name}" for each in (examples / "servers").iterdir() if each.is_dir()}
    programs = {f"mcpserver/{each.stem}" for each in (examples / "mcpserver").glob("*.py")}
    named = {name.partition(",")[0] for name in (*COMMANDS, *SERVED, *ELSEWHERE)}
    assert len(servers) + len(programs) > 20
    assert (servers | programs) - named == set()


SERVED: dict[str, Case] = {
    "servers/everything-server": (
        ["mcp_everything_server"],
        "servers/everything-server",
        "test_simple_text",
        {},
        {"result": "This is a simple text response for testing."},
    ),
    "servers/everything-server, with progress": (
        ["mcp_everything_server"],
        "servers/everything-server",
        "test_tool_with_progress",
        {},
        None,
    ),
    "servers/simple-streamablehttp": (
        ["mcp_simple_streamablehttp"],
        "servers/simple-streamablehttp",
        "start-notification-stream",
        {"interval": 0.01, "count": 3, "caller": "keelstep"},
        "Sent 3 notifications with 0.01s interval for caller: keelstep",
    ),
    "servers/simple-streamablehttp, answering JSON": (
        ["mcp_simple_streamablehttp", "--json-response"],
        "servers/simple-streamablehttp",
        "start-notification-stream",
        {"interval": 0.01, "count": 1, "caller": "keelstep"},
        "Sent 1 notifications with 0.01s interval for caller: keelstep",
    ),
    "servers/simple-streamablehttp-stateless": (
        ["mcp_simple_streamablehttp_stateless"],
        "servers/simple-streamablehttp-stateless",
        "start-notification-stream",
        {"interval": 0.01, "count": 1, "caller": "keelstep"},
        "Sent 1 notifications with 0.01s interval for caller: keelstep",
    ),
    "servers/sse-polling-demo": (
        ["mcp_sse_polling_demo"],
        "servers/sse-polling-demo",
        "process_batch",
        {"items": 2, "checkpoint_every": 1},
        None,
    ),
    "stories/parallel_calls": (
        ["stories.tools.server", "--http"],
        ".",
        "calc",
        {"op": "mul", "a": 2, "b": 3},
        {"op": "mul", "result": 6.0},
    ),
}


@pytest.mark.parametrize("case", SERVED.values(), ids=SERVED.keys())
async def test_an_example_is_called_by_http(examples: Path, case: Case) -> None:
    """In a kept session, and in one of its own for each call that may not be repeated."""
    arguments, folder, tool, args, expected = case
    port = ports.one()
    async with (
        sdk.serving(examples, examples / folder, [*arguments, "--port", str(port)], port) as url,
        caller.calling() as calls,
    ):
        for side_effect, tier in (("ReadOnly", 0), ("Visible", 2)):
            described = {"mcp": {"tool": tool, "http": {"url": url}}}
            spec = contract(described, sideEffect=side_effect, consequenceTier=tier)
            for _ in range(2):
                found = output(spec, await calls.call(spec, args, timeout_seconds=30.0))
                assert expected is None or found == expected


async def test_an_example_that_fetches_a_page_gives_its_text(
    examples: Path, tmp_path: Path, web: Server
) -> None:
    """The contract's own mapping reads what came."""
    command = [sys.executable, "-m", "mcp_simple_tool"]
    environment = [{"name": "PYTHONPATH", "value": str(examples / "servers" / "simple-tool")}]
    described = {
        "tool": "fetch",
        "stdio": {"command": command, "environment": environment},
        "response": '{"kinds": content.map(each, each.type), "is_empty": text == "", "structured": structured}',
    }
    spec = contract({"mcp": described})
    async with caller.calling(commands=sdk.allowing(tmp_path, command, ["PYTHONPATH"])) as calls:
        seen = await calls.call(spec, {"url": f"{web.url}/echo"}, timeout_seconds=30.0)
    assert output(spec, seen) == {"kinds": ["text"], "is_empty": False, "structured": None}


ERRORS: dict[str, tuple[list[str], str, dict[str, Any], str, bool]] = {
    "a tool that says it failed": (
        ["stories.error_handling.server"],
        "divide",
        {"a": 1, "b": 0},
        "ToolFailed",
        True,
    ),
    "a protocol error": (["stories.error_handling.server"], "restricted", {}, "ToolFailed", True),
    "a question to a person": (["stories.mrtr.server"], "deploy", {"env": "prod"}, "InputRequired", True),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
async def test_an_example_answers_with(
    examples: Path, tmp_path: Path, case: tuple[list[str], str, dict[str, Any], str, bool]
) -> None:
    """Nobody knows what happened, unless the contract says that errors prove nothing did; its words are not repeated."""
    arguments, tool, args, reason, was_sent = case
    command = [sys.executable, "-m", *arguments]
    stdio = {"command": command, "environment": [{"name": "PYTHONPATH", "value": str(examples)}]}
    async with caller.calling(commands=sdk.allowing(tmp_path, command, ["PYTHONPATH"])) as calls:
        for on_error, status in (("Unknown", "unknown"), ("NotPerformed", "failed")):
            described = {"tool": tool, "stdio": stdio, "onError": on_error}
            spec = contract({"mcp": described}, sideEffect="Visible", consequenceTier=2)
            seen = await calls.call(spec, args, timeout_seconds=30.0)
            assert isinstance(seen, NoAnswer)
            assert (seen.reason, seen.was_sent) == (reason, was_sent)
            if reason == "ToolFailed":
                assert outcome.judge(spec, seen).status == status


async def test_an_example_behind_oauth_is_called_with_a_fetched_token(examples: Path, tmp_path: Path) -> None:
    """Issuer and server are the SDK's own; tokens are for the one resource they name."""
    port = ports.one()
    async with (
        sdk.serving(
            examples,
            examples,
            ["stories.oauth_client_credentials.server", "--http", "--port", str(port)],
            port,
        ) as url,
        caller.calling() as calls,
    ):
        credentials = {
            "oauth2": {
                "tokenURL": url.replace("/mcp", "/token"),
                "clientID": "demo-m2m-client",
                "key": "oauth-secret",
                "scopes": ["mcp:tools"],
                "resource": "http://127.0.0.1:8000/mcp",  # what the example calls itself, wherever it listens
            }
        }
        spec = contract({"mcp": {"tool": "whoami", "http": {"url": url}}}, credentials=credentials)
        seen = await calls.call(spec, secrets={"oauth-secret": "demo-m2m-secret"}, timeout_seconds=30.0)
        assert isinstance(seen, Answer), seen
        assert output(spec, seen) == {"client_id": "demo-m2m-client", "scopes": ["mcp:tools"]}
        wrong = await calls.call(spec, secrets={"oauth-secret": "another-secret"}, timeout_seconds=30.0)
        assert isinstance(wrong, NoAnswer)
        assert (wrong.reason, wrong.was_sent) == ("TokenRefused", False)
