"""How does a person of a test type a command? With a kubeconfig of their own, in a namespace of the test's own."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.testing import eventually
from tests.integration.cli import program
from tests.integration.kinds import api, plane
from tests.integration.policies import samples
from tests.integration.views import stage


@dataclass(slots=True)
class Terminal:
    """A person's terminal, in a namespace of the test's own."""

    views: stage.Views
    namespace: str

    @property
    def governed(self) -> plane.Governed:
        """The cluster."""
        return self.views.governed

    async def start(
        self, *words: str, persona: api.Persona | None = None, environ: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Begin a command, by default as admin; its standard streams are pipes."""
        who = persona or self.governed.admin
        return await program.start(*words, environ={"KUBECONFIG": str(who.kubeconfig), **(environ or {})})

    async def type(
        self, *words: str, persona: api.Persona | None = None, environ: Mapping[str, str] | None = None
    ) -> program.Said:
        """Run a command to its end, in the test's namespace."""
        process = await self.start(*words, "-n", self.namespace, persona=persona, environ=environ)
        return await program.ended(process)

    async def place(self, name: str, **changes: Any) -> api.Object:
        """A sample of `policies/samples/given`, in the test's namespace."""
        manifest = api.merge(samples.given(name, self.namespace), changes)
        return await asyncio.to_thread(self.governed.place, manifest)

    async def holder(self, role: str, user: str) -> api.Persona:
        """Someone who holds one of our roles here, and nothing else."""
        await asyncio.to_thread(_bind, self.governed, self.namespace, user, role)
        return self.governed.persona(user)

    async def get(self, manifest: api.Object) -> api.Object:
        """An object as it is now."""
        return (await asyncio.to_thread(self.governed.admin.get, manifest)).body

    async def write_status(self, manifest: api.Object, status: api.Object) -> None:
        """The operator's part, played by its identity."""
        answer = await asyncio.to_thread(
            self.governed.operator.patch, manifest, {"status": status}, subresource="status"
        )
        assert answer.is_ok, answer.message

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for something the command does."""
        await eventually.awaited(holds, what)


def _bind(governed: plane.Governed, namespace: str, user: str, role: str) -> None:
    """Bind a role under the user's name, so that several may hold it, and wait until the authorizer has seen it."""
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user.partition("@")[0], "namespace": namespace},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
    }
    answer = governed.admin.create(binding)
    assert answer.is_ok, answer.message
    rule = samples.first_rule(role)
    asked = {"namespace": namespace, "group": rule["apiGroups"][0], "resource": rule["resources"][0]}
    asked["verb"] = rule["verbs"][-1]
    plane.until(lambda: samples.may(governed, user, asked), f"{user} holds {role}")


async def interrupted_after(process: asyncio.subprocess.Process, sign: str) -> program.Said:
    """Press Ctrl-C once the command has printed a sign of life."""
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(program.DEADLINE_SECONDS):
        while sign.encode() not in seen:
            read = await process.stdout.read(4096)
            assert read, seen
            seen += read
    process.send_signal(signal.SIGINT)
    rest = await program.ended(process)
    return program.Said(rest.status, seen.decode() + rest.stdout, rest.stderr)
