"""Does our site build, as a reader would get it?"""

import sys
from pathlib import Path

import pytest

from hack.docs import __main__ as docs

HAS_GENERATOR = Path(sys.executable).with_name("zensical").exists()


@pytest.mark.skipif(not HAS_GENERATOR, reason="needs requirements/docs.txt")
def test_our_site_builds_strictly_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    """Files and headings alike, as a browser would follow them; nothing is fetched from elsewhere."""
    assert docs.build(docs.ROOT, tmp_path / "docs") > 500
    assert (tmp_path / "docs/site/threat-model.html").exists()
