"""What do the samples of `policies/samples` say, and how is one sent? Their form is described in their README.

It sends and returns the answer; whether that is right is the test's business.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from tests.integration.kinds import api, plane

FOLDER = plane.ROOT / "policies" / "samples"
ROLES = plane.ROOT / "policies" / "rbac"
POLICIES = tuple(sorted(path.stem for path in (plane.ROOT / "policies" / "admission").glob("*.yaml")))


class Request(pydantic.BaseModel):
    """What is asked of the API server."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    verb: Literal["create", "patch", "delete"]
    of: str
    body: Any = pydantic.Field(default=None, alias="with")
    subresource: str = ""


class Sample(pydantic.BaseModel):
    """One request by one person, and what must come of it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    path: Path
    says: str
    user: str
    groups: list[str] = []
    roles: list[str] = []
    grants: list[dict[str, Any]] = []
    given: list[str] = []
    request: Request
    refused: str = ""

    @property
    def policy(self) -> str:
        """The policy it belongs to."""
        return self.path.parent.name

    @property
    def is_accepted(self) -> bool:
        """Whether the request must be carried out."""
        return self.path.name.startswith("pass-")

    @property
    def title(self) -> str:
        """How the test is listed."""
        return f"{self.policy}/{self.path.stem}: {self.says}"


@cache
def read_all() -> tuple[Sample, ...]:
    """Every sample of every policy."""
    paths = sorted(path for policy in POLICIES for path in (FOLDER / policy).iterdir())
    return tuple(Sample(path=path, **yaml.safe_load(path.read_text())) for path in paths)


def given(name: str, namespace: str) -> api.Object:
    """A file of `samples/given` as it would be applied in a namespace."""
    return api.in_namespace(yaml.safe_load((FOLDER / "given" / f"{name}.yaml").read_text()), namespace)


def send(sample: Sample, governed: plane.Governed, namespace: str) -> api.Answer:
    """Bring about what is given, grant what is granted, and ask as the sample's user."""
    for name in sample.given:
        governed.place(given(name, namespace))
    for role in sample.roles:
        bind(governed, namespace, sample.user, {"kind": "ClusterRole", "name": role}, first_rule(role))
    for number, rule in enumerate(sample.grants):
        reference = {"kind": "Role", "name": f"grant-{number}"}
        create_role(governed, namespace, reference["name"], rule)
        bind(governed, namespace, sample.user, reference, rule)
    persona = governed.persona(sample.user, sample.groups)
    target = given(sample.request.of, namespace)
    match sample.request.verb:
        case "create":
            return persona.create(api.merge(target, sample.request.body or {}))
        case "patch":
            body, subresource = sample.request.body, sample.request.subresource
            return persona.patch(target, body, kind=api.JSON_PATCH, subresource=subresource)
        case "delete":
            return persona.delete(target)


def create_role(governed: plane.Governed, namespace: str, name: str, rule: dict[str, Any]) -> None:
    """A Role of one rule."""
    answer = governed.admin.create({**_rbac("Role", namespace, name), "rules": [rule]})
    assert answer.is_ok, answer.message


def bind(
    governed: plane.Governed, namespace: str, user: str, role: dict[str, str], rule: dict[str, Any]
) -> None:
    """Bind a role to a user and wait until the API server's authorizer has seen it, told by one of its rules."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", **role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    binding = _rbac("RoleBinding", namespace, role["name"])
    answer = governed.admin.create({**binding, "roleRef": reference, "subjects": [subject]})
    assert answer.is_ok, answer.message
    asked = {
        "namespace": namespace,
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "verb": rule["verbs"][-1],
        "name": rule.get("resourceNames", [""])[0],
    }
    plane.until(lambda: may(governed, user, asked), f"{user} may {asked}")


def may(governed: plane.Governed, user: str, attributes: dict[str, str]) -> bool:
    """Whether the authorizer lets this user do that."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    answer = governed.admin.create(review)
    assert answer.is_ok, answer.message
    return bool(answer.body["status"]["allowed"])


def _rbac(kind: str, namespace: str, name: str) -> api.Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}


def first_rule(role: str) -> dict[str, Any]:
    """The first rule of one of our ClusterRoles."""
    path = ROLES / f"{role.removeprefix('keelstep-')}.yaml"
    documents = yaml.safe_load_all(path.read_text())
    rules: list[dict[str, Any]] = next(d["rules"] for d in documents if d["kind"] == "ClusterRole")
    return rules[0]
