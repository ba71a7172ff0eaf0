"""What must a test know that a contract does not say? With which arguments to act, and how to see what happened.

cases:
  - contract: credit.grant
    arguments: {order_id: "1042", amount: "1.00"}
    effects:                          # a read that shows what was done
      contract: credits.list
      arguments: "{order_id: args.order_id}"          # JMESPath over args and key
      count: "output.credits.size()"                  # CEL over output, args and key
    compensation:                     # what undoes it
      contract: credit.revoke
      arguments: "{credit_id: output.credit_id}"      # JMESPath over args and output
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from keelstep.cli.commands import files
from keelstep.domain import cel
from keelstep.domain.builtins import query
from keelstep.domain.builtins.function import EvaluationError
from keelstep.kinds.contract import ToolContractSpec

COUNT_VARIABLES = ("output", "args", "key")


class CaseError(ValueError):
    """The cases cannot be used; the message says which and why."""


class Related(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of another contract whose arguments follow from this one's."""

    contract: str
    arguments: str
    count: str = ""
    """Of effects only."""

    def made(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments.

        Raises:
            CaseError: the expression yields no object.
        """
        try:
            found = query.find(self.arguments, dict(values))
        except EvaluationError as error:
            raise CaseError(f"arguments of {self.contract}: {error.message}") from error
        if not isinstance(found, dict):
            raise CaseError(f"arguments of {self.contract}: the expression yields no object")
        return found

    def counted(self, values: Mapping[str, Any]) -> int:
        """How many effects the output shows.

        Raises:
            CaseError: the expression yields no number of things.
        """
        try:
            found = cel.compile_expression(self.count, COUNT_VARIABLES).evaluate(values)
        except (cel.CompileError, cel.EvaluationError) as error:
            raise CaseError(f"count of {self.contract}: {error}") from error
        if isinstance(found, bool) or not isinstance(found, int | float) or found != int(found):
            raise CaseError(f"count of {self.contract}: the expression yields no whole number")
        return int(found)


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one contract."""

    contract: str
    arguments: dict[str, Any] | None = None
    effects: Related | None = None
    compensation: Related | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cases: list[Case]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract under test, or one that helps."""

    name: str
    spec: ToolContractSpec
    revision: str


def load(path: Path) -> dict[str, Case]:
    """The cases of a YAML file, by contract.

    Raises:
        CaseError: it cannot be read or is no list of cases.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), _File)
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise CaseError(f"{path}: {files.unreadable(error)}") from error
    except (ValueError, RecursionError) as error:
        raise CaseError(f"{path}: {' '.join(str(error).split())[:300]}") from error
    known: dict[str, Case] = {}
    for case in found.cases:
        if case.contract in known:
            raise CaseError(f"{path}: there are two cases of {case.contract}")
        known[case.contract] = case
    return known


def completed(contract: Contract, case: Case | None) -> Case:
    """The case of a contract, with what the contract itself says where the case does not."""
    case = case or Case(contract=contract.name)
    examples = contract.spec.schemas.input.get("examples")
    example = (
        examples[0] if isinstance(examples, list) and examples and isinstance(examples[0], dict) else None
    )
    wire = contract.spec.wire()
    return Case(
        contract=contract.name,
        arguments=case.arguments if case.arguments is not None else example,
        effects=case.effects or _related(wire.get("failurePolicy", {}).get("reconcile")),
        compensation=case.compensation or _related(wire.get("compensation")),
    )


def _related(named: Any) -> Related | None:
    """What a contract names of another: it says how to find out, not how to count."""
    if not isinstance(named, Mapping) or not isinstance(named.get("contract"), str):
        return None
    return Related(contract=named["contract"], arguments=str(named.get("arguments", "args")))
