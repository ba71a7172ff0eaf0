"""Does our site build, as a reader would get it?"""

from pathlib import Path

from hack.docs import __main__ as docs


def test_our_site_builds_strictly_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    """Files and headings alike, as a browser would follow them; nothing is fetched from elsewhere."""
    assert docs.build(docs.ROOT, tmp_path / "docs") > 500
    assert (tmp_path / "docs/site/threat-model.html").exists()
