"""What does `make demo EXAMPLE=ops` show? Two incidents: one that an agent ends, one that is undone when it is cancelled.

compare with what was reviewed ─► apply ─► one run ends by itself, one asks for a failover ─► cancel ─► undone, last first
"""

from typing import Any

from examples.ops import render
from hack.demo import parts, telling
from hack.demo.parts import Demo
from hack.local import ops
from hack.local.kubectl import Kubectl

NAMESPACE = render.NAMESPACE
AUTHOR, REQUESTER, APPROVER = parts.PEOPLE
MITIGATED, UNDONE = "checkout-slow", "search-errors"
RUNS = (MITIGATED, UNDONE)


def tell(demo: Demo) -> None:
    """Tell the whole story.

    Raises:
        telling.StoryError: something did not happen, or ended otherwise than it must.
    """
    admin, author, requester, approver = (
        demo.kubectl(who, telling.command) for who in ("admin", AUTHOR, REQUESTER, APPROVER)
    )
    ops.start(demo.platform)
    folder = ops.manifests(demo.platform)
    left = {each["metadata"]["name"] for each in telling.items(admin, "executions", NAMESPACE)} & {*RUNS}
    if left:
        telling.chapter("An earlier demo ran here", "Its executions are deleted; their logs stay.")
        admin.run("delete", "executions", *sorted(left), "-n", NAMESPACE, "--wait=true")
    telling.chapter(
        "Tools that were imported and reviewed",
        "Do the MCP servers still say what a person has read? One is a command, one is reached by HTTP.",
    )
    telling.keelstep(author, "contract", "diff", str(folder / "contracts.yaml"))
    for name in ("tenant.yaml", "credentials.yaml"):
        admin.run("apply", "-f", str(folder / name))
    for name in ("contracts.yaml", "agent.yaml"):
        telling.out.print(author.run("apply", "-f", str(folder / name)), markup=False, end="")
    author.run("wait", "--for=condition=Ready", "agentstrategies", "--all", "-n", NAMESPACE, "--timeout=60s")
    telling.out.print(author.run("get", "toolcontracts", "-n", NAMESPACE), markup=False)
    _run(demo, folder / "executions.yaml", requester, approver)
    _undo(demo, requester)
    _goodbye(demo)


def _run(demo: Demo, executions: Any, requester: Kubectl, approver: Kubectl) -> None:
    telling.chapter(
        "Two incidents", f"{REQUESTER} asks for help and watches; a failover is not the agent's to decide."
    )
    with telling.watching(requester, NAMESPACE):
        requester.run("apply", "-f", str(executions))
        telling.wait(f"{MITIGATED} to end", lambda: telling.are_over(requester, NAMESPACE, [MITIGATED]), demo)
        telling.wait(f"{UNDONE} to wait for a person", lambda: _waits(approver), demo)
    telling.keelstep(requester, "output", MITIGATED, namespace=NAMESPACE)
    telling.out.print(approver.run("get", "approvalgates", "-n", NAMESPACE), markup=False)
    _books(demo)


def _undo(demo: Demo, requester: Kubectl) -> None:
    telling.chapter(
        "It was a load test",
        f"{REQUESTER} cancels the second run: what it did is undone, the last step first.",
    )
    telling.keelstep(requester, "cancel", UNDONE, namespace=NAMESPACE)
    telling.wait(f"{UNDONE} to be undone", lambda: telling.are_over(requester, NAMESPACE, [UNDONE]), demo)
    telling.keelstep(requester, "trace", UNDONE, namespace=NAMESPACE)
    telling.keelstep(requester, "verify", UNDONE, namespace=NAMESPACE)
    telling.out.print(requester.run("get", "executions", "-n", NAMESPACE), markup=False)
    _books(demo)
    changes = [each for each in ops.changes(demo.platform) if each["service"] == "search"]
    loud = not any(
        each["active"] for each in ops.silences(demo.platform) if each["alert"] == "SearchErrorsHigh"
    )
    if len(changes) % 2 or changes[-1]["replicas"] != changes[-2]["previous"] or not loud:
        raise telling.StoryError(f"{UNDONE} was not undone: see the two lists above")
    telling.out.print(
        "[bold green]✓[/] search has as many replicas as before, and its alert wakes people again"
    )


def _waits(approver: Kubectl) -> bool:
    return any(
        each.get("status", {}).get("phase") == "Pending"
        for each in telling.items(approver, "approvalgates", NAMESPACE)
    )


def _books(demo: Demo) -> None:
    telling.out.print("  What the fleet and the alerts say themselves:", markup=False)
    for each in ops.changes(demo.platform):
        telling.out.print(
            f"    {each['service']:9} {each['previous']} → {each['replicas']} replicas", markup=False
        )
    for each in ops.silences(demo.platform):
        state = "silent" if each["active"] else "heard again"
        telling.out.print(f"    {each['alert']:22} {state}", markup=False)


def _goodbye(demo: Demo) -> None:
    telling.chapter("Look around", "Everything goes on running. These lines can be pasted.")
    telling.lines(
        f"export KUBECONFIG={demo.status.kubeconfig}",
        f"export PATH={demo.status.kubectl.parent}:$PWD/.venv/bin:$PATH",
        f"kubectl get toolcontracts,executions,approvalgates -n {NAMESPACE}",
        f"keelstep trace {MITIGATED} -n {NAMESPACE}",
        f"keelstep contract diff {demo.folder / 'ops' / 'contracts.yaml'}",
        f"curl -s {demo.platform.places.fleet_url}/changes",
    )
    telling.out.print(
        f"\n  logs of the programs: {demo.folder / 'logs'}\n  stop and forget:      make down", markup=False
    )
