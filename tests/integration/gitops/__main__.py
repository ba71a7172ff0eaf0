"""Record every standing of our kinds from a real API server: `python -m tests.integration.gitops`.

Run it after a change of kinds or conditions; `tests/unit/gitops` then says whether Argo CD and Flux still show each for
what it is.
"""

import asyncio
import tempfile
from pathlib import Path

import yaml

from tests.integration.gitops.scenes import SCENES
from tests.integration.operator import stage as stages
from tests.unit.gitops import health


async def record() -> None:
    """Play every scene and keep what the API server has then, without who wrote which field."""
    health.RECORDED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with stages.running(Path(folder)) as stage:
            for name, scene in SCENES.items():
                found = await scene(stage)
                found["metadata"].pop("managedFields", None)
                text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=110)
                (health.RECORDED / f"{name}.yaml").write_text(text)


if __name__ == "__main__":
    asyncio.run(record())
