"""What does a model call cost, and what is the most it can cost?

From a price table with a version, which every cost carries. A model that is not listed has no price, and a call without
a price is not made. Integer micro-USD, rounded up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
import yaml

from keelstep import errors
from keelstep.domain import money


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model's tokens cost, in US dollars for a million, as decimal strings."""

    input: str = msgspec.field(name="inputUSDPerMillionTokens")
    output: str = msgspec.field(name="outputUSDPerMillionTokens")

    def of(self, tokens_in: int, tokens_out: int) -> int:
        """Micro-USD."""
        return money.of_tokens(tokens_in, self.input) + money.of_tokens(tokens_out, self.output)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    models: dict[str, Price]


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A price table."""

    version: str
    models: dict[str, Price]

    def upper_bound(self, models: Iterable[str], most_tokens_in: int, most_tokens_out: int) -> int | None:
        """The most a call may cost whichever of these models answers; None where one has no price."""
        found = [self.models.get(model) for model in models]
        if not found or None in found:
            return None
        return max(price.of(most_tokens_in, most_tokens_out) for price in found if price is not None)

    def unpriced(self, models: Iterable[str]) -> list[str]:
        """Which of these models have no price."""
        return [model for model in models if model not in self.models]


def load(path: Path) -> PriceTable:
    """The price table in a YAML file.

    Raises:
        errors.SettingsError: it cannot be read or is no price table.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), _File)
        for name, price in found.models.items():
            for text in (price.input, price.output):
                if not text.replace(".", "", 1).isdigit() or Decimal(text) < 0:
                    raise errors.SettingsError(f"price table {path}: {name}: {text!r} is no decimal number")
    except (OSError, yaml.YAMLError, msgspec.ValidationError, InvalidOperation) as error:
        raise errors.SettingsError(f"price table {path}: {error}") from error
    return PriceTable(found.version, found.models)
