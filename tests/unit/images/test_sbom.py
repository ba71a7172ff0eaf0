"""Does a bill of materials name everything that lies in an image, and nothing else?"""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.output.json import JsonV1Dot6

from hack.images import errors, sbom

SITE = "opt/keelstep/lib/python3.13/site-packages"


def image(root: Path) -> Path:
    """An image with two Python distributions, one needing the other, and two Debian packages, one of them removed."""
    for name, lines in {
        "Some_Lib": ["License-Expression: MIT", "Requires-Dist: other.lib>=2; python_version > '3'"],
        "other-lib": ["Classifier: License :: OSI Approved :: BSD License", "Requires-Dist: absent"],
    }.items():
        folder = root / SITE / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines, ""])
        (folder / "METADATA").write_text(text)
    status = root / sbom.DPKG_STATUS
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nDescription: C\n more: text\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    return root


def rendered(root: Path) -> Any:
    """Its bill of materials, as data."""
    found = sbom.take(root, name="keelstep-runner", version="0.1.0", image_id="sha256:0123")
    return json.loads(sbom.render(found))


def test_every_distribution_and_package_is_named_with_version_and_licence(tmp_path: Path) -> None:
    """Names are normalised as package indexes do; a removed package is not in the image."""
    components = {each["purl"]: each for each in rendered(image(tmp_path))["components"]}
    assert set(components) == {
        *("pkg:pypi/some-lib@1.0", "pkg:pypi/other-lib@1.0", "pkg:deb/debian/libc6@2.41-12"),
    }
    assert components["pkg:pypi/some-lib@1.0"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert components["pkg:pypi/other-lib@1.0"]["licenses"] == [{"license": {"name": "BSD License"}}]


def test_who_needs_whom_is_told_of_what_is_there(tmp_path: Path) -> None:
    """What is required under another system or not installed is no dependency of this image."""
    needs = {each["ref"]: each.get("dependsOn", []) for each in rendered(image(tmp_path))["dependencies"]}
    assert needs["pkg:pypi/some-lib@1.0"] == ["pkg:pypi/other-lib@1.0"]
    assert needs["pkg:pypi/other-lib@1.0"] == []
    assert len(needs["sha256:0123"]) == 3


def test_a_bill_that_breaks_the_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked before anybody sees it."""
    whole = JsonV1Dot6.output_as_string
    monkeypatch.setattr(
        JsonV1Dot6, "output_as_string", lambda self, indent: whole(self).replace("container", "barrel")
    )
    with pytest.raises(errors.BuildFailed, match="the bill of materials of keelstep-runner is not valid"):
        rendered(image(tmp_path))
