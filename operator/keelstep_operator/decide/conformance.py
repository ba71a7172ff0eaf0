"""Which pass of its conformance test does a contract show? The one that its annotation states, of exactly this content.

`keelstep contract test --attest` writes the annotation in the name of whoever ran it. It is that person's word and proves
nothing; what it says of another content than the accepted one counts no more.
"""

from collections.abc import Mapping

import pydantic

from keelstep.kinds import names
from keelstep.kinds.contract import Attested, Conformance


def read(annotations: Mapping[str, str], revision: str) -> Conformance | None:
    """What the status says; None where nobody stated a pass of this revision."""
    said = annotations.get(names.ANNOTATION_CONFORMANCE, "")
    try:
        stated = Attested.model_validate_json(said)
    except pydantic.ValidationError:
        return None
    return stated.passed if revision and stated.revision == revision else None
