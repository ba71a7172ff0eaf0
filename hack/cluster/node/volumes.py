"""How do a Pod's volumes get onto the disk? Files of mode 0400 in the Pod's own folder.

Writes what it is given; where the bytes come from is `sources` and `containers`.
"""

from hack.cluster import files
from hack.cluster.node import containers, records


def prepare(place: records.Folder) -> None:
    """Make the folders that every container of the Pod may use."""
    for folder in (place.home, place.temporary):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def write(place: records.Folder, volume: str, content: containers.Files | None) -> None:
    """Write a volume; None is an empty folder, whose content survives a container's restart."""
    target = place.volume(volume)
    if content is None:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        return
    with files.built_aside(target) as aside:
        for path, data in content.items():
            files.write(aside / path, data, 0o400)
