"""Do our kinds work with kustomize's own means?"""

from pathlib import Path
from typing import Any

import yaml

from tests.integration.gitops import repository
from tests.integration.operator.stage import Stage


async def test_a_name_prefix_keeps_what_belongs_together(stage: Stage, tmp_path: Path) -> None:
    """References between our kinds follow a new name, so that two sets of agents fit into one namespace."""
    git = repository.clone(stage, tmp_path / "repository")
    canary = git.folder / "canary"
    canary.mkdir()
    (canary / "kustomization.yaml").write_text(
        yaml.safe_dump({"namePrefix": "canary-", "resources": ["../production"]})
    )

    built = {found["kind"]: found for found in _built(stage, canary)}

    assert built["Execution"]["spec"]["strategyRef"]["name"] == "canary-pilot"
    tools = [tool["contract"] for tool in built["AgentStrategy"]["spec"]["tools"]]
    assert tools == ["canary-tides.get", "canary-berth.book"]


async def test_production_differs_by_its_patches_alone(stage: Stage, tmp_path: Path) -> None:
    """The overlay changes what it names; the API server takes the whole as it is."""
    git = repository.clone(stage, tmp_path / "repository")
    plain, production = _built(stage, git.agents), _built(stage, git.folder / "production")
    changed = [(one, other) for one, other in zip(plain, production, strict=True) if one != other]
    ((before, after),) = changed
    assert (
        before["spec"] | {"model": after["spec"]["model"], "limits": after["spec"]["limits"]} == after["spec"]
    )
    git.sync()


def _built(stage: Stage, folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(stage.governed.kubectl("kustomize", str(folder)).output))
