"""Is every attribute explained, and none that is gone?"""

import re
from pathlib import Path

from keelstep.store.otlp import names

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "telemetry.md").read_text()
_NAME = re.compile(r"`((?:gen_ai|keelstep|error|k8s|service)\.[a-z_.]+)`")
ATTRIBUTES = {value for name, value in vars(names).items() if name.isupper() and _NAME.match(f"`{value}`")}


def test_the_page_explains_every_attribute_and_no_other() -> None:
    """docs/telemetry.md and the code agree."""
    explained = {name for name in _NAME.findall(PAGE) if not name.endswith(".")}
    assert explained == ATTRIBUTES


def test_a_models_name_says_its_provider_in_the_words_of_the_conventions() -> None:
    """Where it says one at all."""
    assert names.model("openai/gpt-4o") == ("openai", "gpt-4o")
    assert names.model("azure/gpt-4o") == ("azure.ai.openai", "gpt-4o")
    assert names.model("bedrock/anthropic.claude/v2") == ("aws.bedrock", "anthropic.claude/v2")
    assert names.model("scripted") == ("", "scripted")
