"""Do the models and the API server agree about an object?"""

import pytest

from keelstep import kinds
from keelstep.kinds import resource
from tests.integration.kinds import api, cases, plane

BY_NAME = {kind.crd.singular: kind for kind in kinds.KINDS}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_api_server_fills_in_the_models_defaults(
    name: str, governed: plane.Governed, namespace: str
) -> None:
    """What a person leaves out is filled in by the API server exactly as the model fills it in."""
    written = _base(name, namespace)
    stored = governed.place(written)
    assert _spec(BY_NAME[name], written) == stored["spec"]
    assert _spec(BY_NAME[name], stored) == stored["spec"]


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_writing_an_object_back_changes_nothing(name: str, governed: plane.Governed, namespace: str) -> None:
    """A spec read, modelled and written again is the same object: its generation stays."""
    stored = governed.place(_base(name, namespace))
    again = governed.operator.patch(stored, {"spec": _spec(BY_NAME[name], stored)})
    assert again.is_ok, again.message
    assert again.body["metadata"]["generation"] == stored["metadata"]["generation"] == 1


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_model_reads_whatever_the_api_server_accepted(
    name: str, governed: plane.Governed, namespace: str
) -> None:
    """No accepted sample of a kind is refused by its model."""
    for number, case in enumerate(c for c in cases.read_all() if c.kind == name and c.is_accepted):
        manifest = api.in_namespace(case.before, namespace)
        if case.when == "create":
            manifest = api.merge(manifest, case.patch)
        manifest = api.merge(manifest, {"metadata": {"name": f"n{number}"}})
        model = BY_NAME[name].model_validate(governed.place(manifest))
        assert model.metadata.name == f"n{number}"


def _spec(kind: type[resource.Resource], stored: api.Object) -> api.Object:
    spec = getattr(kind.model_validate(stored), "spec", None)
    assert isinstance(spec, resource.Model)
    return spec.wire()


def _base(name: str, namespace: str) -> api.Object:
    return api.in_namespace(next(case.before for case in cases.read_all() if case.kind == name), namespace)
