"""How is the one context that a person named reached? Through a kubeconfig that holds nothing else.

kubectl and Helm get this copy, so that no slip of ours can touch another cluster. It lies in the demo's own state, for
the person alone, and goes with `make down`.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import build, files, progress, settings
from hack.helm import Helm
from hack.local.kubectl import CommandError, Kubectl


class ContextError(Exception):
    """The named context cannot be used; the message says why, and which there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One context of a person's kubeconfig."""

    context: str
    folder: Path
    kubectl: Kubectl
    helm: Helm

    def server(self) -> str:
        """The API server's address."""
        found = self.kubectl.run("config", "view", "--output=jsonpath={.clusters[0].cluster.server}")
        return found.strip()

    def nodes(self) -> list[dict[str, Any]]:
        """Every node.

        Raises:
            CommandError: they may not be listed, or the cluster does not answer.
        """
        found: list[dict[str, Any]] = self.kubectl.get("nodes", "--request-timeout=20s")["items"]
        return found


def place(configured: settings.Settings, context: str) -> Path:
    """Where what the demo keeps of a context lies."""
    readable = re.sub(r"[^A-Za-z0-9-]", "-", context)[:40]
    return (
        configured.state / "demo-contexts" / f"{readable}-{hashlib.sha256(context.encode()).hexdigest()[:8]}"
    )


def reach(configured: settings.Settings, context: str, shown: progress.Progress) -> Access:
    """A context of the person's kubeconfig (`KUBECONFIG`, else `~/.kube/config`).

    Raises:
        ContextError: there is no such context.
        ClusterError: kubectl or Helm is missing and cannot be built.
    """
    folder = place(configured, context)
    binary = _kubectl(configured, shown)
    theirs = Path(configured.environment.get("KUBECONFIG", "") or Path.home() / ".kube" / "config")
    whole = Kubectl(binary=binary, kubeconfig=theirs, persona="you", show=_quietly, is_at_home=True)
    words = ("config", "view", "--raw", "--flatten", "--minify", f"--context={context}")
    try:
        minified = whole.run(*words)
    except CommandError as error:
        known = ", ".join(whole.run("config", "get-contexts", "--output=name").split()) or "none"
        raise ContextError(f"CONTEXT={context}: {error} (there are: {known})") from error
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kubeconfig = folder / "kubeconfig"
    files.write(kubeconfig, minified)
    return Access(
        context=context,
        folder=folder,
        kubectl=Kubectl(binary=binary, kubeconfig=kubeconfig, persona="you", show=_quietly, is_at_home=True),
        helm=Helm.ensure(folder / "helm", kubeconfig, is_at_home=True),
    )


def _kubectl(configured: settings.Settings, shown: progress.Progress) -> Path:
    """The person's own kubectl, which fits their cluster; else one that we build."""
    own = shutil.which("kubectl")
    return Path(own) if own else build.ensure(configured, ("kubectl",), shown)["kubectl"]


def _quietly(line: str) -> None:
    pass
