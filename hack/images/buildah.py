"""How is buildah run? With a storage of its own in the cache, so that nobody's other images are seen or touched.

Knows nothing of what is built.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import settings
from hack.images import errors

PROGRAM = "buildah"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildah:
    """buildah on this machine."""

    folder: Path
    """Where it keeps images and working containers."""

    @classmethod
    def find(cls, configured: settings.Settings) -> "Buildah":
        """buildah, with our storage.

        Raises:
            MissingPrerequisite: it is not installed, or this user may not use it.
        """
        lacking = []
        if shutil.which(PROGRAM) is None:
            lacking.append("buildah: on Debian and Ubuntu, `apt-get install buildah`")
        if os.geteuid() != 0:
            lacking.append("root: run it with sudo; images are unpacked with their own owners")
        if lacking:
            listed = "\n".join(f"  · {one}" for one in lacking)
            raise errors.MissingPrerequisite(f"building images needs what is missing here:\n{listed}")
        return cls(folder=configured.cache / "images")

    def run(self, *words: str) -> str:
        """Run a command, and give what it printed.

        Raises:
            BuildFailed: it failed; says its last words.
        """
        done = subprocess.run(
            self._command(words), env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise errors.BuildFailed(f"buildah {words[0]}: {done.stderr.strip()[-1500:]}")
        return done.stdout.strip()

    def follow(self, words: Sequence[str], log: Path, on_line: Callable[[str], None], cwd: Path) -> None:
        """Run a long command, its words going to a log.

        Raises:
            BuildFailed: it failed; names the log and says its end.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            log.open("w") as told,
            subprocess.Popen(
                self._command(words),
                env=self._environment(),
                cwd=cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as running,
        ):
            assert running.stdout is not None
            try:
                for line in running.stdout:
                    told.write(line)
                    on_line(line.strip())
            except BaseException:
                running.terminate()
                raise
        if running.returncode != 0:
            tail = "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-10:])
            raise errors.BuildFailed(f"buildah {words[0]} failed (log: {log}):\n{tail}")

    def images(self) -> list[dict[str, Any]]:
        """Every named image in our storage."""
        found: list[dict[str, Any]] = json.loads(self.run("images", "--json") or "[]")
        return [each for each in found or [] if each["names"]]

    def has(self, image: str) -> bool:
        """Whether our storage has this image."""
        return any(image in each["names"] for each in self.images())

    @contextlib.contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """An image's file system, to read.

        Raises:
            NoSuchImage: it was never built here.
        """
        if not self.has(image):
            raise errors.NoSuchImage(f"{image} was not built here; `python -m hack.images build` does")
        container = self.run("from", "--pull-never", image)
        try:
            yield Path(self.run("mount", container))
        finally:
            self.run("rm", container)

    def push(self, image: str, archive: Path) -> None:
        """Write an image to an archive that containerd and docker load."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.unlink(missing_ok=True)
        self.run("push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def clean(self) -> None:
        """Remove every image and layer."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, words: Sequence[str]) -> list[str]:
        own = ("--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run"))
        return [PROGRAM, *own, "--storage-driver", "overlay", *words]

    def _environment(self) -> dict[str, str]:
        # A machine that is itself a container rarely lets buildah make namespaces; a chroot is enough here.
        return dict(os.environ) | {"BUILDAH_ISOLATION": "chroot"}
