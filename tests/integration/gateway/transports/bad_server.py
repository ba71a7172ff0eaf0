"""A program, run by tests: an MCP server that misbehaves as its first argument says, written without the SDK.

Its second argument is a file in which it notes what it was sent, one JSON document a line. It answers `server/discover`
as a server that does not know it, and speaks the protocol of 2025.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

MODE, NOTES = sys.argv[1], sys.argv[2]
CANARY = os.environ.get("CANARY", "")
LARGE = 50 * 1024 * 1024


def say(message: dict[str, Any]) -> None:
    """One line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(request: dict[str, Any], result: dict[str, Any]) -> None:
    """A result."""
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def text(content: str) -> dict[str, Any]:
    """A tool's result."""
    return {"content": [{"type": "text", "text": content}]}


def hang() -> None:
    """Say nothing any more."""
    while True:
        time.sleep(3600)


def call(request: dict[str, Any]) -> None:
    """`tools/call`."""
    match MODE:
        case "dies":
            os._exit(1)
        case "twice":
            answer(request, text("one"))
            answer(request, text("two"))
        case "large":
            answer(request, text("x" * LARGE))
        case "silent":
            return
        case "nonsense":
            answer(request, {"content": "no list"})
        case "environment":
            answer(request, text(json.dumps(dict(os.environ))))
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            answer(request, text(f"{os.getpid()} {child.pid}"))
        case "deaf":
            answer(request, text(str(os.getpid())))
        case "leaks":
            error = {"code": -32000, "message": f"cannot log in with {CANARY}", "data": dict(os.environ)}
            say({"jsonrpc": "2.0", "id": request["id"], "error": error})
        case "fails":
            answer(request, text(f"wrong password: {CANARY}") | {"isError": True})
        case "progress":
            token = request["params"]["_meta"]["progressToken"]
            params = {"progressToken": token, "progress": 1, "message": f"logged in with {CANARY}"}
            say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            answer(request, text("fine"))
        case "echo":
            answer(request, text(json.dumps(request["params"])))
        case _:
            say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            answer(request, text("fine"))


def list_tools(request: dict[str, Any]) -> None:
    """`tools/list`."""
    tool = {"name": "t", "inputSchema": {"type": "object"}}
    match MODE:
        case "dies in its list":
            os._exit(1)
        case "lists for ever":
            answer(request, {"tools": [], "nextCursor": "more"})
        case "lists nonsense":
            answer(request, {"tools": "none"})
        case "lists nothing":
            say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": CANARY}})
        case "lists much":
            answer(request, {"tools": [tool | {"description": "x" * LARGE}]})
        case _:
            others = [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(5000)]
            answer(request, {"tools": [*others, tool]})


def serve() -> None:
    """Read until there is nothing more, or longer."""
    sys.stderr.write(f"starting with {CANARY}\n")
    sys.stdout.write(f"no message: {CANARY}\n")
    if MODE == "chatty":
        sys.stdout.write("Welcome to the server!\n")
        say({"jsonrpc": "2.0", "id": 99, "result": {"content": []}})
    for line in sys.stdin:
        with open(NOTES, "a") as notes:
            notes.write(line)
        request = json.loads(line)
        method = request.get("method")
        if "id" not in request:
            continue
        if method == "initialize":
            if MODE == "hangs in initialize":
                hang()
            if MODE == "dies in initialize":
                os._exit(1)
            info = {"name": "bad", "version": "1"}
            version = request["params"]["protocolVersion"]
            answer(request, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "tools/list":
            list_tools(request)
        elif method == "tools/call":
            call(request)
        else:
            error = {"code": -32601, "message": f"no {method}, and {CANARY}"}
            say({"jsonrpc": "2.0", "id": request["id"], "error": error})
    if MODE == "deaf":
        hang()


if __name__ == "__main__":
    serve()
