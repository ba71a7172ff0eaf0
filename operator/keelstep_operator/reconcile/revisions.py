"""How is an accepted content kept for ever? In OBJ, where runs read it, and as a ControllerRevision, where people do."""

import pydantic

from keelstep import errors, kinds, kube
from keelstep.domain import canonical, revision
from keelstep.kinds import names, resource
from keelstep_operator import pods
from keelstep_operator.context import Context
from keelstep_operator.decide import condition
from keelstep_operator.reconcile import gather
from keelstep_operator.status import Told


async def keep(ctx: Context, found: kube.Object, spec: resource.Model) -> str:
    """Keep a content; its digest.

    Raises:
        errors.Stalled: something else has the revision's name or address.
        errors.KeelstepError: a server could not be asked.
    """
    metadata = found["metadata"]
    content = revision.build(found["kind"], metadata["name"], spec)
    place = (metadata["uid"], content.digest)
    if place in ctx.revisions.stored:
        return content.digest
    await ctx.objects.put_revision(metadata["namespace"], content.payload)
    manifest = {
        "apiVersion": kube.REVISIONS.api_version,
        "kind": kube.REVISIONS.name,
        "metadata": {
            "name": names.revision(found["kind"], metadata["name"], content.digest),
            "namespace": metadata["namespace"],
            "ownerReferences": [pods.owner(found["kind"], metadata["name"], metadata["uid"])],
        },
        "data": canonical.loads(content.payload),
        "revision": int(metadata["generation"]),
    }
    there, is_new = await ctx.kube.create_or_get(kube.REVISIONS, metadata["namespace"], manifest)
    if not is_new and gather.is_left_over(ctx, there, metadata["uid"]):
        name = there["metadata"]["name"]
        raise errors.Waiting("NameBusy", f"the old ControllerRevision {name} is going", 1.0)
    if canonical.dumps(there.get("data")) != content.payload:
        name = there["metadata"]["name"]
        raise errors.Stalled("ChildForged", f"ControllerRevision {name} exists and is not ours; delete it")
    ctx.revisions.stored.add(place)
    return content.digest


async def show_invalid(
    ctx: Context, model: type[kinds.Resource], found: kube.Object, error: pydantic.ValidationError
) -> None:
    """The object passed another version's schema than ours: say which field."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    finding = condition.fails("Accepted", "Invalid", f"{field}: {first['msg']}")
    ready = condition.ready([finding])
    await ctx.statuses.write(
        model, found, {}, [finding, ready], Told(kind="Warning", reason="Invalid", note=finding.message)
    )
