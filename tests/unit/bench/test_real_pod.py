"""Is a Pod's way read from containerd's log as containerd wrote it?"""

from pathlib import Path

import pytest

from hack.bench.benches import real_pod


def line(second: float, message: str) -> str:
    """As containerd writes it."""
    return f'time="2026-11-21T13:25:{second:012.9f}Z" level=info msg="{message}"'


def asked(pod: str) -> str:
    """How a sandbox is named in its first two lines."""
    return f"RunPodSandbox for &PodSandboxMetadata{{Name:{pod},Uid:u1,Namespace:bench,Attempt:0,}}"


LOG = "\n".join(
    [
        line(18.1, asked("run-1-a1")),
        line(18.15, asked("run-1-a11")),
        line(19.0, asked("run-1-a1") + r" returns sandbox id \"5a\""),
        line(19.1, r"CreateContainer within sandbox \"5a\" for container &ContainerMetadata{Name:runner,}"),
        line(
            19.16,
            r"CreateContainer within sandbox \"5a\" for &ContainerMetadata{} returns container id \"c1\"",
        ),
        line(19.161, r"StartContainer for \"c1\""),
        line(19.562, r"StartContainer for \"c1\" returns successfully"),
    ]
)


def test_a_pod_s_way_is_read_from_containerd_s_log(tmp_path: Path) -> None:
    """Its own lines only: names that begin alike are others' Pods."""
    log = tmp_path / "containerd.log"
    log.write_text(LOG)
    found = real_pod.lives(log, "run-1-a1")
    assert (found.sandbox_at - found.begun_at, found.started_at - found.sandbox_at) == (
        900_000_000,
        562_000_000,
    )
    with pytest.raises(AssertionError, match="does not say when run-1-a11 was sandbox, started"):
        real_pod.lives(log, "run-1-a11")
