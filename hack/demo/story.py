"""What does the demo show? Five runs, with the commands a person would type and what they print.

apply ─► watch ─► approve one refund, reject the other, kill a strategy in mid-run ─► look at every run's record
"""

import json
from collections.abc import Sequence
from typing import Any

from examples.refund import render
from hack.demo import parts, tables, telling
from hack.demo.parts import Demo
from hack.local.kubectl import Kubectl
from keelstep.kinds import names

NAMESPACE = render.NAMESPACE
AUTHOR, REQUESTER, APPROVER = parts.PEOPLE
RUNS = ("small-claim", "refund-approved", "refund-rejected", "malformed-arguments", "runaway")
GATED = {"refund-approved": "Approved", "refund-rejected": "Rejected"}
REASONS = {
    "Approved": "the photo shows the leak",
    "Rejected": "the grinder works as described",
}
ANOTHER = "another-refund"
"""A run that a person starts afterwards."""


def tell(demo: Demo, *, ask: bool) -> None:
    """Tell the whole story.

    Raises:
        telling.StoryError: something did not happen, or ended otherwise than it must.
    """
    author, requester, approver = (
        demo.kubectl(who, telling.command) for who in (AUTHOR, REQUESTER, APPROVER)
    )
    admin = demo.kubectl("admin", telling.command)
    _start_afresh(demo, admin, author, approver)
    before, thoughts = len(demo.ledger()), demo.platform.model_calls("runaway")
    telling.chapter(
        "A tenant, its tools and its agents",
        f"{AUTHOR} applies them; the operator checks what the API server cannot.",
    )
    _apply(demo, admin, author)
    telling.chapter("Five executions", f"{REQUESTER} asks for them and watches.")
    with telling.watching(requester, NAMESPACE):
        requester.run("apply", "-f", str(demo.manifests / "executions.yaml"))
        telling.wait(
            "the two refunds to wait for a person", lambda: len(_pending(approver)) == len(GATED), demo
        )
        telling.wait(
            "the runaway agent to get going",
            lambda: demo.platform.model_calls("runaway") >= thoughts + 5,
            demo,
        )
    _decide(approver, ask=ask)
    _kill(author)
    telling.wait("all five to end", lambda: telling.are_over(requester, NAMESPACE, RUNS), demo)
    telling.chapter("How they ended", "The reason of each ended run stands in its condition and its Event.")
    table = requester.run("get", "executions", "-n", NAMESPACE)
    telling.out.print(table, markup=False)
    booked = demo.ledger()[before:]
    _records(requester, booked, earlier=before)
    _check(table, refunds=sum(booking["kind"] == "refund" for booking in booked), ask=ask)
    _goodbye(demo)


def _start_afresh(demo: Demo, admin: Kubectl, author: Kubectl, approver: Kubectl) -> None:
    """What an earlier demo left: its executions go, and the kill it engaged is lifted by a person."""
    there = _names(admin, "executions")
    left = [run for run in (*RUNS, ANOTHER) if run in there]
    latched = _latched(admin)
    if not left and not latched:
        return
    telling.chapter(
        "An earlier demo ran here",
        "Its executions are deleted; their logs stay. Its kill is lifted by a person.",
    )
    if left:
        admin.run("delete", "executions", *left, "-n", NAMESPACE, "--wait=true")
        # a new cluster collects what belonged to them up to half a minute later, and a Pod's name is taken until then
        telling.wait("their Pods to be collected", lambda: not _pods(admin, left), demo)
    if not latched:
        return
    author.run(*_switch("false", ""))
    gate = admin.get("approvalgate", latched["gate"], "-n", NAMESPACE)
    telling.out.print("  Taking the switch back lifts nothing; a gate asks a person:", markup=False)
    _answer(approver, gate, "Approved", "the loop was fixed")
    telling.wait("the kill to be lifted", lambda: not _latched(admin), demo)


def _pods(admin: Kubectl, runs: Sequence[str]) -> list[Any]:
    """The Pods of these runs that are still there."""
    return [
        pod
        for pod in telling.items(admin, "pods", NAMESPACE)
        if pod["metadata"].get("labels", {}).get(names.LABEL_EXECUTION) in runs
    ]


def _latched(admin: Kubectl) -> Any:
    """The kill in force of the agent that runs away; empty where there is none."""
    found = [
        item
        for item in telling.items(admin, "agentstrategies", NAMESPACE)
        if item["metadata"]["name"] == "runaway-agent"
    ]
    latched = found[0].get("status", {}).get("killSwitch", {}) if found else {}
    return latched if latched.get("engaged") else {}


def _apply(demo: Demo, admin: Kubectl, author: Kubectl) -> None:
    for name in ("namespace.yaml", "access.yaml", "credentials.yaml"):
        admin.run("apply", "-f", str(demo.manifests / name))
    for name in ("contracts.yaml", "strategies.yaml"):
        telling.out.print(author.run("apply", "-f", str(demo.manifests / name)), markup=False, end="")
    author.run("wait", "--for=condition=Ready", "agentstrategies", "--all", "-n", NAMESPACE, "--timeout=60s")
    telling.out.print(author.run("get", "toolcontracts,agentstrategies", "-n", NAMESPACE), markup=False)


def _decide(approver: Kubectl, *, ask: bool) -> None:
    telling.chapter(
        "Two refunds wait for a person",
        f"No pod waits with them. {APPROVER} may decide gates and nothing else.",
    )
    telling.out.print(approver.run("get", "approvalgates", "-n", NAMESPACE), markup=False)
    for gate in _pending(approver):
        spec = gate["spec"]
        run, action = spec["executionRef"]["name"], spec["action"]
        telling.out.print(f"  {run}: {action['tool']} {json.dumps(action['args'])}", markup=False)
        for line in spec["evidence"]["reasoning"]:
            telling.out.print(f"    the agent says: {line}", markup=False)
        verdict = _asked(run) if ask else GATED[run]
        _answer(approver, gate, verdict, REASONS[verdict])


def _asked(run: str) -> str:
    while True:
        said = telling.out.input(f"  Approve the refund of {run}? [y/n] ").strip().lower()
        if said in ("y", "yes", "n", "no"):
            return "Approved" if said.startswith("y") else "Rejected"


def _answer(approver: Kubectl, gate: Any, verdict: str, reason: str) -> None:
    patch = (
        '[{"op":"add","path":"/spec/decisions/-","value":'
        f'{{"verdict":"{verdict}","approver":"{approver.persona}","reason":"{reason}"}}}}]'
    )
    name = gate["metadata"]["name"]
    telling.out.print(
        approver.run("patch", "approvalgate", name, "-n", NAMESPACE, "--type=json", "-p", patch),
        markup=False,
        end="",
    )


def _kill(author: Kubectl) -> None:
    telling.chapter(
        "An agent runs away",
        f"{AUTHOR} throws its kill switch: every run of this strategy ends, no new one starts.",
    )
    author.run(*_switch("true", "it reads the same orders again and again"))


def _switch(engaged: str, reason: str) -> tuple[str, ...]:
    patch = f'{{"spec":{{"killSwitch":{{"engaged":{engaged},"reason":"{reason}"}}}}}}'
    return ("patch", "agentstrategy", "runaway-agent", "-n", NAMESPACE, "--type=merge", "-p", patch)


def _records(requester: Kubectl, booked: list[Any], *, earlier: int) -> None:
    telling.chapter(
        "Every step is an event", "Each run's events, cost and verified chain, read from the log itself."
    )
    for run in RUNS:
        telling.keelstep(requester, "trace", run, namespace=NAMESPACE)
        telling.keelstep(requester, "verify", run, namespace=NAMESPACE)
    since = f", after the {earlier} bookings of earlier demos" if earlier else ""
    telling.out.print(f"  The shop's own ledger{since}:", markup=False)
    for booking in booked:
        about = f"order {booking['order']}" if booking["order"] else f"ticket {booking['ticket']}"
        amount, key = booking["amount"] or "", (booking["key"] or "none")[:12]
        telling.out.print(f"    {booking['kind']:7} {about:12} {amount:>8}  key {key}", markup=False)


def _check(table: str, *, refunds: int, ask: bool) -> None:
    if ask:
        return
    expected, found = tables.expected(), tables.masked(table, RUNS)
    if found != expected:
        raise telling.StoryError(
            f"the runs did not end as they must.\nexpected:\n{expected}\nfound:\n{found}"
        )
    if refunds != 1:
        raise telling.StoryError(f"the shop booked {refunds} refunds; exactly one was approved")
    telling.out.print("[bold green]✓[/] five runs as they must be, exactly one refund booked")


def _goodbye(demo: Demo) -> None:
    telling.chapter("Look around", "Everything goes on running. These lines can be pasted.")
    telling.lines(
        f"export KUBECONFIG={demo.status.kubeconfig}",
        f"export PATH={demo.status.kubectl.parent}:$PWD/.venv/bin:$PATH",
        f"kubectl get executions,approvalgates -n {NAMESPACE}",
        f"keelstep output refund-approved -n {NAMESPACE}",
        f"kubectl logs refund-approved-a1 -n {NAMESPACE}",
        "kubectl explain execution.spec",
    )
    telling.out.print(
        f"\n  You are admin, who may do everything. --context makes you {AUTHOR}, who writes agents and contracts,"
        f"\n  {REQUESTER}, who asks for runs, or {APPROVER}, who approves. Ask for another refund, and decide it:\n",
        markup=False,
    )
    telling.lines(
        f"keelstep run support-agent --context {REQUESTER} --name {ANOTHER} --goal"
        " 'The kettle of order 1071 leaks. The customer wants the money back.'"
        " --input 'customer_name=Priya Nair'",
        f"kubectl wait --context {REQUESTER} --for=jsonpath={{.status.phase}}=WaitingForApproval execution/{ANOTHER}",
        f"keelstep gate list --pending --context {APPROVER}",
        f"keelstep gate approve {ANOTHER}-g10 --context {APPROVER} --reason 'the photo shows the leak'",
        f"kubectl wait --context {REQUESTER} --for=condition=Succeeded execution/{ANOTHER}",
        f"keelstep output {ANOTHER} --context {REQUESTER}",
    )
    telling.out.print(
        f"\n  logs of the programs: {demo.folder / 'logs'}\n  stop and forget:      make down", markup=False
    )


def _names(who: Kubectl, plural: str) -> set[str]:
    return {item["metadata"]["name"] for item in telling.items(who, plural, NAMESPACE)}


def _pending(who: Kubectl) -> list[Any]:
    gates = telling.items(who, "approvalgates", NAMESPACE)
    return [
        gate
        for gate in gates
        if gate.get("status", {}).get("phase") == "Pending"
        and gate["spec"].get("executionRef", {}).get("name") in GATED
    ]
