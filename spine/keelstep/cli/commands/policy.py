"""`keelstep policy test FILE`: do the rules decide each case of a table as it says? Exit 1 where they do not.

The rules are evaluated by the gateway's own function; no cluster is asked.
"""

from pathlib import Path
from typing import Annotated, Any

import pydantic
import typer
import yaml

from keelstep.cli import exits, options, show
from keelstep.cli.commands import files
from keelstep.cli.commands.files import Read
from keelstep.cli.show import Show
from keelstep.domain import contract, money, platform, policy, schema
from keelstep.events import types
from keelstep.kinds import names, resource
from keelstep.kinds.policy import Effect, PolicyRule
from keelstep.kinds.resource import Model

_EFFECTS = {"allow": Effect.ALLOW, "deny": Effect.DENY, "escalate": Effect.ESCALATE}

File = Annotated[
    Path, typer.Argument(help="YAML with the table of cases.", metavar="FILE", show_default=False)
]


class Strategy(Model):
    """Who wishes the call."""

    name: str = "agent"
    version: str = "1"
    max_tier: int = 0


class History(Model):
    """What the run has done before."""

    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    calls: dict[str, int] = pydantic.Field(default_factory=dict)
    tools: dict[str, int] = pydantic.Field(default_factory=dict)


class Budget(Model):
    """What the run may spend, and has spent."""

    cap: resource.Money = "1.00"
    spent: resource.Money = "0"
    reserved: resource.Money = "0"


class Expected(Model):
    """What the rules must say."""

    effect: Effect
    rule: str | None = None
    """`contract/NAME` or `platform/NAME`; empty for none. Not compared where it is absent."""


class Case(Model):
    """One call, and what the rules must say about it."""

    name: str
    tool: str
    args: resource.JsonObject = pydantic.Field(default_factory=dict)
    tenant: str = "default"
    strategy: Strategy = Strategy()
    history: History = History()
    budget: Budget = Budget()
    expect: Expected


class Table(Model):
    """A file of cases."""

    contracts: str
    """The file with the contracts, from this file's folder."""
    platform: str | None = None
    """The file with the ConfigMap of the platform's rules."""
    cases: Annotated[list[Case], pydantic.Field(min_length=1, max_length=1000)]


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    group = typer.Typer(
        help="Try the rules of contracts and platform.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("test", epilog="Example: keelstep policy test refund-rules.yaml")(_test)
    # a group of one command would else become the command itself
    group.callback()(lambda: None)
    app.add_typer(group, name="policy")


def _test(file: File, output: options.Output = show.Output.TABLE) -> None:
    """Ask the rules about each case of a table, and compare.

    Exit 1: they say something else.
    """
    table = _table(file)
    contracts = files.by_name(file.parent / table.contracts)
    for read in contracts.values():
        _check(read)
    outer = _platform(file.parent / table.platform) if table.platform is not None else ()
    results = [(case, _said(case, contracts, outer)) for case in table.cases]
    _print(Show(output), results)
    if any(not _is_expected(case, said) for case, said in results):
        raise exits.failed()


def values(case: Case, contracts: dict[str, Read]) -> dict[str, Any]:
    """What the rules may speak of, in the shape of `keelstep.domain.policy.values`."""
    spec = contracts[case.tool].spec
    history = case.history.wire()
    for counts in ("calls", "tools"):
        history[counts] = dict.fromkeys(contracts, 0) | history[counts]
    cap, spent, reserved = map(money.micro_usd, (case.budget.cap, case.budget.spent, case.budget.reserved))
    return {
        "args": case.args,
        "tool": {
            "name": case.tool,
            "sideEffect": spec.side_effect.value,
            "tier": spec.consequence_tier,
            "estimate": contract.estimate_micro_usd(spec),
        },
        "strategy": case.strategy.wire(),
        "tenant": case.tenant,
        "history": history,
        "budget": {"cap": cap, "spent": spent, "reserved": reserved, "left": cap - spent - reserved},
    }


def _said(case: Case, contracts: dict[str, Read], outer: tuple[PolicyRule, ...]) -> types.PolicyVerdict | str:
    """What the rules say, or why they would never be asked."""
    if case.tool not in contracts:
        return f"there is no contract {case.tool}; there are {', '.join(contracts)}"
    counted = [*case.history.calls, *case.history.tools]
    strangers = [name for name in counted if name not in contracts]
    if strangers:
        return f"its history counts calls of {strangers[0]}, and there is no such contract"
    spec = contracts[case.tool].spec
    problems = schema.compile_schema(spec.schemas.input).problems(case.args)
    if problems:
        return f"the arguments do not match the contract's schema: {'; '.join(problems)}"
    return policy.evaluate(outer, tuple(spec.policy), values(case, contracts))


def _is_expected(case: Case, said: types.PolicyVerdict | str) -> bool:
    if isinstance(said, str):
        return False
    is_rule = case.expect.rule is None or case.expect.rule == said.rule
    return is_rule and _EFFECTS[said.effect] is case.expect.effect


def _table(file: Path) -> Table:
    found = _yaml(file)
    if not isinstance(found, dict):
        raise exits.usage(f"{file} holds no table of cases: {{contracts, platform, cases}}")
    try:
        return Table.model_validate(found)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise exits.usage(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _check(read: Read) -> None:
    try:
        schema.compile_schema(read.spec.schemas.input)
        policy.check(read.spec.policy)
    except schema.SchemaError as error:
        raise exits.usage(f"ToolContract {read.name}: schema.input: {error}") from error
    except policy.RuleError as error:
        raise exits.usage(f"ToolContract {read.name}: policy[{error.place}].when: {error}") from error


def _platform(file: Path) -> tuple[PolicyRule, ...]:
    found = _yaml(file)
    is_ours = (
        isinstance(found, dict) and found.get("kind") == "ConfigMap" and isinstance(found.get("data"), dict)
    )
    if not is_ours:
        raise exits.usage(f"{file} holds no ConfigMap; the platform's is {names.POLICY_CONFIG_MAP}")
    read = platform.read(found["data"])
    if isinstance(read, str):
        raise exits.usage(f"{file}: {read}")
    return read.rules


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text())
    except (OSError, ValueError) as error:
        raise exits.usage(f"{file}: {getattr(error, 'strerror', None) or 'cannot be read'}") from error
    except yaml.YAMLError as error:
        raise exits.usage(f"{file}: {files.unreadable(error)}") from error
    except RecursionError as error:
        raise exits.usage(f"{file}: nested too deeply") from error


def _print(shown: Show, results: list[tuple[Case, types.PolicyVerdict | str]]) -> None:
    if not shown.is_table:
        shown.data([_plain(case, said) for case, said in results])
        return
    for case, said in results:
        mark = "ok" if _is_expected(case, said) else "fail"
        shown.line(
            f"{mark:4}  {case.name}: {_told(said)}{'' if mark == 'ok' else f', not {_wanted(case.expect)}'}"
        )


def _plain(case: Case, said: types.PolicyVerdict | str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": case.name, "isExpected": _is_expected(case, said)}
    if isinstance(said, str):
        return found | {"problem": said}
    return found | {
        "effect": _EFFECTS[said.effect].value,
        "rule": said.rule,
        "reason": said.reason,
        "message": said.message,
    }


def _told(said: types.PolicyVerdict | str) -> str:
    if isinstance(said, str):
        return said
    by = said.rule or said.reason or "no rule objects"
    return f"{_EFFECTS[said.effect]} ({by}{f': {said.message}' if said.message else ''})"


def _wanted(expected: Expected) -> str:
    return f"{expected.effect} ({expected.rule})" if expected.rule else str(expected.effect)
