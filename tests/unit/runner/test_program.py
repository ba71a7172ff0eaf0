"""The runner starts small, says what is wrong with its settings, and dies where a crash test tells it to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keelstep import errors, points, settings
from keelstep.events import registry, types
from keelstep_runner.settings import Settings

HEAVY = ("litellm", "kopf", "kubernetes", "asyncpg", "httpx", "keelstep_operator", "keelstep_gateway")
SLOW = ("aiohttp", "rich", "prompt_toolkit", "typer")
SETTINGS = {
    "KEELSTEP_NATS_URL": "nats://127.0.0.1:1",
    "KEELSTEP_TENANT": "shop",
    "KEELSTEP_EXECUTION_ID": "x1",
    "KEELSTEP_ATTEMPT": "1",
}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of our interpreter, without our settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KEELSTEP_")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, check=False
    )


def test_the_runner_brings_no_other_programs_libraries() -> None:
    """It holds no credential, talks to no model, no database and no Kubernetes: it has nothing to do it with."""
    found = python(
        f"import sys, keelstep_runner.process; print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert found.stdout.strip() == "[]", found.stderr


def test_a_runner_starts_without_what_its_libraries_would_like_to_have() -> None:
    """Their optional extras are half of all imports, and a run waits for those before its first event."""
    code = (
        "import sys\n"
        "from keelstep_runner import lean\n"
        "with lean.importing():\n"
        "    import keelstep_runner.process\n"
        f"print([name for name in {SLOW} if sys.modules.get(name)])\n"
        "from keelstep.domain import cel\n"
        'print(cel.compile_expression("1 + 1 == 2", []).holds({}))\n'
        "from keelstep.kinds import AgentStrategy\n"
        "from keelstep_runner.settings import Settings\n"
        "print({each.description for each in AgentStrategy.model_fields.values()})\n"
        "print(Settings.model_fields['tenant'].description)\n"
    )
    said = ["[]", "True", "{None}", "The execution's namespace."]
    assert python(code).stdout.splitlines() == said, python(code).stderr


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str
) -> list[str]:
    """What the runner says about settings it cannot use, a line each."""
    for name in [name for name in os.environ if name.startswith("KEELSTEP_")]:
        monkeypatch.delenv(name)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit) as ended:
        settings.load(Settings, "keelstep-runner")
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_missing_settings_are_named_one_a_line_and_the_exit_code_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No stack trace for a mistake of whoever starts it."""
    lines = refused(monkeypatch, capsys)
    assert len(lines) == len(SETTINGS)
    assert all(any(name in line for line in lines) for name in SETTINGS)


@pytest.mark.parametrize(
    ("name", "text"), [("KEELSTEP_ATTEMPT", "0"), ("KEELSTEP_ATTEMPT", "one"), ("KEELSTEP_TENANT", "")]
)
def test_a_wrong_setting_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And only that one."""
    (line,) = refused(monkeypatch, capsys, **{**SETTINGS, name: text})
    assert name in line


def test_without_an_identity_the_runner_ends_and_says_so(tmp_path: Path) -> None:
    """Exit 1: the operator counts it as a crash and tells a person in the end."""
    done = python(
        "from keelstep_runner.main import main; main()", **SETTINGS, KEELSTEP_IDENTITY_DIR=str(tmp_path)
    )
    assert done.returncode == 1
    assert "keyring.json" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_every_append_passes_a_point_before_and_after() -> None:
    """By construction: for every event type and every program that may write it."""
    names = set(points.every())
    for kind, spec in registry.KINDS.items():
        for writer in spec.writers:
            program = points.program("a1" if writer is types.Writer.RUNNER else writer.value)
            assert {f"{program}.before.{kind}", f"{program}.after.{kind}"} <= names


@pytest.mark.parametrize(
    "name",
    [
        "runner.after.plan.proposed:0",
        "runner.before",
        "runner.before.exec.killed",
        "runner.after.plan.dreamt",
    ],
)
def test_a_point_that_does_not_exist_is_refused(name: str) -> None:
    """A crash test that would never crash is no test."""
    with pytest.raises(errors.SettingsError, match="is no point"):
        points.configure(crash_at=name)


def test_a_program_dies_where_it_is_told_to_and_at_the_right_time() -> None:
    """The n-th time it passes the point, as by `kill -9`."""
    code = (
        "from keelstep import points\n"
        "points.configure(crash_at='runner.after.plan.proposed:3')\n"
        "for number in range(9):\n"
        "    points.reached('runner.before.plan.proposed')\n"
        "    print(number, flush=True)\n"
        "    points.reached('runner.after.plan.proposed')\n"
    )
    done = python(code)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1", "2"]
