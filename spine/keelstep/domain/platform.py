"""Which rules does the platform team's ConfigMap hold? All of them, or why none can be used.

Asked by the operator before rules come into force, and by `keelstep policy test` before they are applied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
import yaml

from keelstep.domain import canonical, policy
from keelstep.domain.revision import Revision
from keelstep.kinds import names
from keelstep.kinds.policy import PlatformPolicy, PolicyRule

KEY = "policy.yaml"
"""The key of the ConfigMap that is read."""
MOST_BYTES = 32 * 1024
"""Of its text."""
MOST_PUBLISHED = 48 * 1024
"""Of the rules as they stand, whole, in one control record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules that can be used."""

    rules: tuple[PolicyRule, ...]
    revision: Revision


def read(data: Mapping[str, Any]) -> Rules | str:
    """The rules of a ConfigMap's data, or what is wrong with them, naming the place."""
    text = data.get(KEY)
    if not isinstance(text, str):
        return f"data: there is no key {KEY}"
    if len(text.encode()) > MOST_BYTES:
        return f"{KEY}: larger than {MOST_BYTES} bytes"
    try:
        found = PlatformPolicy.model_validate(yaml.safe_load(text))
        policy.check(found.rules)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return f"{KEY}: not YAML{f', line {mark.line + 1}' if mark is not None else ''}"
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        return f"{KEY}: {'.'.join(str(part) for part in first['loc']) or 'rules'}: {first['msg']}"
    except policy.RuleError as error:
        return f"{KEY}: rules.{error.place}.when: {error}"
    except RecursionError:
        return f"{KEY}: nested too deeply"
    revision = policy.build(names.POLICY_CONFIG_MAP, found)
    # the same rule may stand for many, by a YAML alias, and in a record every quote and backslash is escaped once more
    if len(canonical.dumps(revision.payload.decode())) > MOST_PUBLISHED:
        return f"{KEY}: larger than {MOST_PUBLISHED} bytes as it is published"
    return Rules(rules=tuple(found.rules), revision=revision)
