"""Which images are there, and what is each called? Pure data; the Containerfile says how each is made."""

from dataclasses import dataclass

TAG = "dev"
"""What is built here is never taken for a release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stage of the Containerfile that becomes an image."""

    name: str
    is_core: bool
    """Whether an installation needs it; the others are for trying out."""

    def image(self, tag: str = TAG) -> str:
        """Its full name; no registry is meant by `localhost`."""
        return f"localhost/keelstep-{self.name}:{tag}"


TARGETS = tuple(
    Target(name=name, is_core=is_core)
    for name, is_core in (
        ("runner", True),
        ("operator", True),
        ("projector", True),
        ("gateway", True),
        ("nats", False),
        ("postgres", False),
        ("example", False),
    )
)
"""In the order of the Containerfile: buildah walks through every stage before the one it is asked for."""


def find(name: str) -> Target | None:
    """The target of this name."""
    return next((target for target in TARGETS if target.name == name), None)
