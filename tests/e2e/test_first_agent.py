"""Does docs/first-agent.md still say the truth? Its YAML and its commands are run, and what they print is compared.

The page's own words are used: only ports are changed for free ones, and what differs from run to run is masked.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hack.local.platform import Platform
from keelstep.testing import ports

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-agent.md"
EXAMPLE = "examples/first-agent"
VIEWS = "v1alpha1.views.keelstep.io"
MOST_YAML_LINES = 40
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.05
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "<hex>"),
    (re.compile(r"\+?\b(\d+(\.\d+)? ?(ms|s|m|min|h))+(?=\s|$)"), "<duration>"),
    (re.compile(r"\b\d+ %"), "<share>"),
    (re.compile(r"^· .*\n", re.MULTILINE), ""),  # phases are looked at from time to time, and some are missed
    (re.compile(r" {2,}"), "  "),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One line a reader types, and what the page says it prints."""

    line: str
    prints: str


@dataclass(slots=True)
class Reader:
    """Somebody with a shell who types what the page says."""

    cwd: Path
    environment: dict[str, str]
    changes: dict[str, str]
    """What the page says → what it is here."""
    background: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def types(self, command: Command) -> str:
        """Type it; what it printed, in the page's words."""
        line = command.line
        for told, here in self.changes.items():
            line = line.replace(told, here)
        if line.startswith("export "):
            return self._export(line)
        if line.endswith("&"):
            self._start(f"exec {line.removesuffix('&')}", subprocess.DEVNULL)
            self._await_listener(line)
            return ""
        printed = self._watch(line, command.prints) if " -w" in line else self._run(line)
        for told, here in self.changes.items():
            printed = printed.replace(here, told)
        return printed

    def leaves(self) -> None:
        """End everything that was started."""
        for process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()

    def _export(self, line: str) -> str:
        lines = self._run(f"{line} && env -0").split("\0")
        self.environment = dict(each.split("=", 1) for each in lines if "=" in each)
        return ""

    def _run(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert done.returncode == 0, f"`{line}` ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _start(self, line: str, output: int) -> "subprocess.Popen[bytes]":
        started = subprocess.Popen(
            ["bash", "-c", line], cwd=self.cwd, env=self.environment, stdout=output, start_new_session=True
        )
        self.background.append(started)
        return started

    def _await_listener(self, line: str) -> None:
        """A person types more slowly than a server starts."""
        deadline = time.monotonic() + WAIT_SECONDS
        while sum(not ports.is_free(int(port)) for port in self.changes.values()) < len(self.background):
            assert time.monotonic() < deadline, f"`{line}` does not listen"
            time.sleep(POLL_SECONDS)

    def _watch(self, line: str, until: str) -> str:
        """Watch until the last line that the page shows has come."""
        read, write = os.pipe()
        watching = self._start(f"exec {line}", write)
        os.close(write)
        os.set_blocking(read, False)
        printed, deadline = "", time.monotonic() + WAIT_SECONDS
        while masked(until).splitlines()[-1] not in masked(printed).splitlines():
            assert time.monotonic() < deadline, f"`{line}` did not come to\n{until}\nit printed\n{printed}"
            try:
                printed += os.read(read, 65536).decode()
            except BlockingIOError:
                time.sleep(POLL_SECONDS)
        watching.terminate()
        watching.wait()
        os.close(read)
        return printed


def blocks(language: str) -> list[str]:
    """The page's fenced blocks of one language."""
    return [text for found, text in _BLOCK.findall(PAGE.read_text()) if found == language]


def commands() -> list[Command]:
    """Every command of the page, in order."""
    found: list[Command] = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, prints = part.partition("\n")
            found.append(Command(line, prints))
    return found


def masked(text: str) -> str:
    """Without what differs from run to run."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.fixture
def reader(platform: Platform, tmp_path: Path) -> Iterator[Reader]:
    """A reader at the repository's root, whose demo is this platform; ports are free ones, the files a copy."""
    state = tmp_path / "state"
    (state / "clusters").mkdir(parents=True)
    (state / "clusters" / "demo").symlink_to(platform.plane.plan.folder)
    (state / "demo").symlink_to(platform.folder)
    kubeconfig, kubectl = state / "clusters" / "demo" / "kubeconfig", platform.kubectl_binary
    shutil.copyfile(platform.plane.admin_kubeconfig, kubeconfig)
    (kubeconfig.parent / "bin").mkdir(exist_ok=True)
    if not (kubeconfig.parent / "bin" / "kubectl").exists():
        (kubeconfig.parent / "bin" / "kubectl").symlink_to(kubectl)
    tool, model = ports.pick(2)
    changes = {"8901": str(tool), "8902": str(model)}
    root = tmp_path / "root"
    subprocess.run([ROOT / "hack" / "venv"], check=True)  # else the page's own call would install the copy
    _copy(root, changes)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KEELSTEP_STATE": str(state)}
    found = Reader(cwd=root, environment=environment, changes=changes)
    try:
        yield found
    finally:
        found.leaves()


def _copy(root: Path, changes: dict[str, str]) -> None:
    """The repository as the reader sees it: everything linked, but the example copied with other ports."""
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name != "examples":
            (root / path.name).symlink_to(path)
    (root / "examples").mkdir()
    for path in (ROOT / "examples").iterdir():
        if path.name != "first-agent":
            (root / "examples" / path.name).symlink_to(path)
    (root / EXAMPLE).mkdir()
    for path in (ROOT / EXAMPLE).iterdir():
        if path.is_file():
            text = path.read_text()
            for told, here in changes.items():
                text = text.replace(told, here)
            (root / EXAMPLE / path.name).write_text(text)


def test_the_page_shows_the_example_and_it_is_no_longer_than_promised() -> None:
    """A person's own tool and model in at most forty lines of YAML, as the README says."""
    shown = blocks("yaml")
    assert shown == [(ROOT / EXAMPLE / "agent.yaml").read_text()]
    assert len(shown[0].splitlines()) <= MOST_YAML_LINES


def test_every_command_of_the_page_prints_what_the_page_says(reader: Reader) -> None:
    """A reader who types the page from top to bottom sees the page."""
    wrong = []
    for command in commands():
        printed = reader.types(command)
        if " -w" not in command.line and masked(printed) != masked(command.prints):
            wrong.append(f"$ {command.line}\n{printed}")
    assert not wrong, "these printed something else:\n" + "\n".join(wrong)
