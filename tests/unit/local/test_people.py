"""Can a person of the demo be each of its people, without ceasing to be admin by default?"""

from pathlib import Path

import yaml

from hack.demo import people

CLUSTER = {"name": "demo", "cluster": {"server": "https://127.0.0.1:6443"}}


def kubeconfig(path: Path, user: str) -> Path:
    """A kubeconfig of one user."""
    content = {
        "current-context": "demo",
        "clusters": [CLUSTER],
        "users": [{"name": user, "user": {"client-key-data": f"key of {user}"}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": user}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_each_person_is_a_context_with_credentials_of_their_own(tmp_path: Path) -> None:
    """In the tenant's namespace; told twice, it stands there once; the current context stays admin's."""
    file = kubeconfig(tmp_path / "config", "admin")
    grace = kubeconfig(tmp_path / "grace", "grace")
    for _ in range(2):
        people.add(file, [("grace", grace)], "refunds")
    found = yaml.safe_load(file.read_text())
    assert found["current-context"] == "demo"
    assert [context["name"] for context in found["contexts"]] == ["demo", "grace"]
    assert found["contexts"][1]["context"] == {"cluster": "demo", "user": "grace", "namespace": "refunds"}
    assert {user["name"]: user["user"]["client-key-data"] for user in found["users"]} == {
        "admin": "key of admin",
        "grace": "key of grace",
    }
    assert file.stat().st_mode & 0o077 == 0, "its keys are for its owner alone"
