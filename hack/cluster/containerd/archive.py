"""How does one static program become an image? As an archive that containerd imports, made without any tool.

For the pause image of every Pod's sandbox and for the tests' own; whatever has files beside its program is built by
`hack.images`.
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

PAUSE = "localhost/keelstep-pause:1"
"""The image of Pods' sandboxes: the program that holds the node's own namespaces."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(program: Path, image: str, target: Path) -> None:
    """Write an image of one program, which it runs as nobody in particular, in the format of `docker save`."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, "config.json": config, "manifest.json": json.dumps(manifest).encode()}
    target.write_bytes(_tar({name: (content, 0o644) for name, content in files.items()}))


def _tar(content: dict[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (data, mode) in content.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
