"""Does everything still go away when it should, with the policies in force and no operator running?"""

from tests.integration.kinds import api, plane
from tests.integration.policies import samples


def test_a_gate_goes_with_its_execution(enforced: plane.Governed, namespace: str) -> None:
    """Deleting an execution removes its gates: the garbage collector is let through."""
    gate = _owned_gate(enforced, namespace)
    assert enforced.admin.delete(samples.given("execution", namespace)).is_ok
    plane.until(lambda: enforced.admin.get(gate).status == 404, "the gate is gone")


def test_a_namespace_with_a_gate_can_be_deleted(enforced: plane.Governed, namespace: str) -> None:
    """Deleting a tenant's namespace never hangs on a gate: the namespace controller is let through."""
    _owned_gate(enforced, namespace)
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    assert enforced.admin.delete(manifest).is_ok
    plane.until(lambda: enforced.admin.get(manifest).status == 404, "the namespace is gone")


def test_deleting_an_execution_in_the_foreground_ends(enforced: plane.Governed, namespace: str) -> None:
    """A foreground deletion puts a finalizer on what it deletes and takes it off again: nothing stays behind."""
    gate = _owned_gate(enforced, namespace)
    execution = samples.given("execution", namespace)
    enforced.kubectl(
        "delete",
        "execution",
        execution["metadata"]["name"],
        f"--namespace={namespace}",
        "--cascade=foreground",
        "--timeout=60s",
    )
    assert enforced.admin.get(execution).status == 404
    assert enforced.admin.get(gate).status == 404


def _owned_gate(governed: plane.Governed, namespace: str) -> api.Object:
    """An execution and its gate, owned as the operator owns it: never blocking the owner's deletion."""
    execution = governed.place(samples.given("execution", namespace))
    owner = {
        "apiVersion": execution["apiVersion"],
        "kind": execution["kind"],
        "name": execution["metadata"]["name"],
        "uid": execution["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    gate = api.merge(samples.given("gate", namespace), {"metadata": {"ownerReferences": [owner]}})
    governed.place(gate)
    return gate
