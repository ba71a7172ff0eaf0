"""Do crash tests stop a program where they say? Points, as `main` arms them."""

import signal
import subprocess
import sys

import pytest

from keelstep import errors, points
from keelstep.events import registry, types

_PROGRAM = """
from keelstep import points
points.configure({arguments})
for turn in range(3):
    print(turn, flush=True)
    points.reached("gateway.before.send")
"""


def run(arguments: str) -> tuple[int, str]:
    """A process that passes the point three times: its exit status, and how often it got there."""
    program = _PROGRAM.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.replace("\n", "")


def test_a_process_is_killed_at_its_point() -> None:
    """SIGKILL: nothing is tidied up."""
    assert run("crash_at='gateway.before.send'") == (-signal.SIGKILL, "0")


def test_a_process_is_killed_the_nth_time() -> None:
    """`<point>:<n>`."""
    assert run("crash_at='gateway.before.send:2'") == (-signal.SIGKILL, "01")


def test_without_a_point_nothing_happens() -> None:
    """What programs are like."""
    assert run("") == (0, "012")


@pytest.mark.parametrize("text", ["gateway.nowhere", "gateway.before.send:0", "gateway.before.send:x"])
def test_what_is_no_point_is_refused(text: str) -> None:
    """A crash test that cannot crash would prove nothing."""
    with pytest.raises(errors.SettingsError):
        points.configure(crash_at=text)


def test_every_append_of_every_program_has_two_points() -> None:
    """Before and after, by construction."""
    known = set(points.every())
    for name, kind in registry.KINDS.items():
        for writer in kind.writers:
            program = points.program("a1" if writer is types.Writer.RUNNER else writer.value)
            assert {f"{program}.before.{name}", f"{program}.after.{name}"} <= known
