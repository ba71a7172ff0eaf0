"""Does every mistake get one line that says what to do, and its exit code?"""

from pathlib import Path

import pytest

from tests.integration.cli.program import ended
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import plane

MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a command that is none": (("frobnicate",), 2, "No such command 'frobnicate'; see keelstep --help"),
    "an option that is none": (
        ("status", "--bogus"),
        2,
        "No such option: --bogus; see keelstep status --help",
    ),
    "a missing option": (("run", "refund-agent"), 2, "Missing option '--goal'; see keelstep run --help"),
    "a missing name": (("trace",), 2, "Missing argument 'NAME'"),
    "a form that is none": (("status", "-o", "xml"), 2, "'xml' is not one of"),
    "a budget that is no money": (
        ("run", "refund-agent", "--goal", "x", "--budget", "-1"),
        2,
        "--budget: expected US dollars such as 0.50, got '-1'",
    ),
    "a float of a budget": (
        ("run", "refund-agent", "--goal", "x", "--budget", "1e3"),
        2,
        "--budget: expected US",
    ),
    "a goal that says nothing": (("run", "refund-agent", "--goal", " "), 2, "--goal: must say something"),
    "an input that is no pair": (
        ("run", "refund-agent", "--goal", "x", "--input", "Ada"),
        2,
        "--input: expected name=value such as customer_name=Ada, got 'Ada'",
    ),
    "an input without a slot": (
        ("run", "refund-agent", "--goal", "x", "--input", "who=Ada"),
        2,
        "--input: the strategy has no slot 'who'; it has none",
    ),
    "watching as data": (
        ("run", "refund-agent", "--goal", "x", "--watch", "-o", "json"),
        2,
        "--watch: shows a timeline",
    ),
    "a name that no run can have": (
        ("run", "refund-agent", "--goal", "x", "--name", "Not A Name"),
        2,
        "--name: expected lower-case letters, digits and '-', at most 52 characters, got 'Not A Name'",
    ),
    "a goal that is too long": (("run", "refund-agent", "--goal", "x" * 20_000), 2, "spec.goal: Too long"),
    "a strategy that is not there": (
        ("run", "nobody", "--goal", "x"),
        3,
        "there is no AgentStrategy 'nobody' in namespace NAMESPACE; there is refund-agent",
    ),
    "a run that is not there": (
        ("status", "never"),
        3,
        "there is no Execution 'never' in namespace NAMESPACE",
    ),
    "a trace that is not there": (
        ("trace", "never"),
        3,
        "no Execution 'never' was ever recorded in namespace NAMESPACE",
    ),
    "a log that is not there": (("log", "never"), 3, "no Execution 'never' was ever recorded"),
    "a verification that is not there": (("verify", "never"), 3, "no Execution 'never' was ever recorded"),
    "following what is not there": (("trace", "never", "-f"), 3, "no Execution 'never' was ever recorded"),
    "a gate that is not there": (("gate", "approve", "never"), 3, "there is no ApprovalGate 'never'"),
    "suspending what is not there": (("suspend", "never"), 3, "there is no Execution 'never'"),
    "killing what is not there": (
        ("kill", "tool", "never", "--reason", "x"),
        3,
        "there is no ToolContract 'never'",
    ),
    "killing without a reason": (("kill", "tool", "orders.get"), 2, "Missing option '--reason'"),
    "killing for an empty reason": (("kill", "tool", "orders.get", "--reason", " "), 2, "--reason: say why"),
    "killing a tenant for no reason": (("kill", "tenant"), 2, "--reason: say why"),
    "a name that is taken": (
        ("run", "refund-agent", "--goal", "x", "--name", "refund-1042"),
        4,
        'executions.keelstep.io "refund-1042" already exists',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(mistake: str, terminal: Terminal) -> None:
    """The exit code as documented, one line on standard error, nothing on standard output."""
    words, status, message = MISTAKES[mistake]
    if mistake.startswith(("a strategy", "an input without", "a name", "a goal that is too")):
        await terminal.place("strategy")
    if mistake == "a name that is taken":
        await terminal.place("execution")
    said = await terminal.type(*words)
    assert message.replace("NAMESPACE", terminal.namespace) in said.refused(status)
    assert said.stdout == ""


FORBIDDEN = {
    "status": ("status",),
    "trace": ("trace", "refund-1"),
    "log": ("log", "refund-1"),
    "verify": ("verify", "refund-1"),
    "gates": ("gate", "list"),
    "suspend": ("suspend", "refund-1"),
    "kill": ("kill", "tenant", "--reason", "x"),
    "run": ("run", "refund-agent", "--goal", "x"),
}


@pytest.mark.parametrize("command", FORBIDDEN)
async def test_without_the_right_it_is_refused(
    command: str, terminal: Terminal, governed: plane.Governed
) -> None:
    """Exit 4: the API server's own sentence, and where to see what one may do."""
    eve = governed.persona("eve@elsewhere.example")
    said = await terminal.type(*FORBIDDEN[command], persona=eve)
    complaint = said.refused(4)
    assert 'User "eve@elsewhere.example" cannot' in complaint
    assert complaint.endswith("; `keelstep doctor` shows what you may do")


async def test_a_kubeconfig_that_is_not_there(terminal: Terminal) -> None:
    """Exit 2, and how to name one."""
    said = await terminal.type("status", environ={"KUBECONFIG": "/nowhere/config"})
    assert said.refused(2) == "--kubeconfig: there is no file /nowhere/config; name one, or set KUBECONFIG"


async def test_a_kubeconfig_that_is_none(terminal: Terminal, tmp_path: Path) -> None:
    """Exit 2, with its name."""
    file = tmp_path / "config"
    for content in ("not: a kubeconfig\n", "[", "- 1\n"):
        file.write_text(content)
        said = await terminal.type("status", environ={"KUBECONFIG": str(file)})
        assert f"--kubeconfig: {file} cannot be used" in said.refused(2)


async def test_a_context_that_is_not_there(terminal: Terminal) -> None:
    """Exit 2, with those there are."""
    said = await terminal.type("status", "--context", "nope")
    assert "it has no context 'nope' (it has " in said.refused(2)


async def test_a_cluster_that_does_not_answer(terminal: Terminal, tmp_path: Path) -> None:
    """Exit 5, and no stack trace."""
    text = terminal.governed.admin.kubeconfig.read_text()
    file = tmp_path / "config"
    file.write_text(text.replace(terminal.governed.plane.server_url, "https://127.0.0.1:1"))
    said = await terminal.type("status", environ={"KUBECONFIG": str(file)})
    assert "127.0.0.1:1" in said.refused(5)
    assert (await terminal.type("doctor", environ={"KUBECONFIG": str(file)})).status == 5
    version = await terminal.type("version", environ={"KUBECONFIG": str(file)})
    assert "not reached" in version.output


async def test_help_shows_an_example_and_the_exit_codes(terminal: Terminal) -> None:
    """So that nobody has to look elsewhere first."""
    assert "Exit codes: 0 ok" in (await ended(await terminal.start("--help"))).output
    said = await ended(await terminal.start("kill", "tool", "--help"))
    assert "Example: keelstep kill tool refund.issue" in said.output
