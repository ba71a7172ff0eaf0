"""What is in an image? Every Python distribution and Debian package with version and licence, as CycloneDX JSON.

Read from the image's own files, not from what was asked for; checked against the CycloneDX schema before it is shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from hack.images import errors

SITE_PACKAGES = "opt/keelstep/lib/python3*/site-packages"
DPKG_STATUS = Path("var/lib/dpkg/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One thing that somebody else made, or we did."""

    name: str
    version: str
    licence: str
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image holds."""

    name: str
    version: str
    image_id: str
    python: tuple[Package, ...]
    debian: tuple[Package, ...]


def take(root: Path, *, name: str, version: str, image_id: str) -> Contents:
    """Read an image's file system."""
    return Contents(
        name=name,
        version=version,
        image_id=image_id,
        python=tuple(sorted(_python(root), key=lambda package: package.name)),
        debian=tuple(sorted(_debian(root), key=lambda package: package.name)),
    )


def render(contents: Contents) -> str:
    """The bill of materials.

    Raises:
        BuildFailed: it does not keep to the CycloneDX schema.
    """
    licences = LicenseFactory()
    image = Component(
        name=contents.name, version=contents.version, type=ComponentType.CONTAINER, bom_ref=contents.image_id
    )
    bom = Bom()
    bom.metadata.component = image
    python = {package.name: _component(package, "pypi", licences) for package in contents.python}
    debian = [_component(package, "deb", licences) for package in contents.debian]
    bom.components = [*python.values(), *debian]
    bom.register_dependency(image, bom.components)
    for package in contents.python:
        needed = [python[other] for other in package.requires if other in python]
        bom.register_dependency(python[package.name], needed)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise errors.BuildFailed(f"the bill of materials of {contents.name} is not valid: {wrong}")
    return text + "\n"


def _component(package: Package, kind: str, licences: LicenseFactory) -> Component:
    namespace = "debian" if kind == "deb" else None
    url = PackageURL(type=kind, namespace=namespace, name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=url.to_string(),
        licenses=[licences.make_from_string(package.licence)] if package.licence else [],
    )


def _python(root: Path) -> Iterator[Package]:
    folders = [str(folder) for folder in root.glob(SITE_PACKAGES)]
    for found in metadata.distributions(path=folders):
        yield Package(
            name=_normal(found.metadata["Name"]),
            version=found.version,
            licence=_licence(found.metadata),
            requires=tuple(sorted({_normal(_required(line)) for line in found.requires or ()})),
        )


def _licence(about: metadata.PackageMetadata) -> str:
    """The expression where there is one, else what the classifiers or a short free text say."""
    for expression in about.get_all("License-Expression") or ():
        return str(expression)
    classified = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or ()
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    text = "".join(about.get_all("License") or ()).strip()
    return ", ".join(classified) or (text if len(text) < 80 and "\n" not in text else "")


def _debian(root: Path) -> Iterator[Package]:
    status = root / DPKG_STATUS
    if not status.exists():
        return
    for paragraph in status.read_text(errors="replace").split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line)
        )
        if fields.get("Status", "").endswith(" installed"):
            # Debian keeps licences as prose beside each package; a local base leaves that prose out.
            yield Package(name=fields["Package"], version=fields["Version"], licence="", requires=())


def _required(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
