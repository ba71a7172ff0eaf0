"""Are the gateway's own files read as they are meant, and refused with a sentence otherwise?"""

from pathlib import Path

import pytest

from keelstep import errors
from keelstep_gateway import credentials, prices, providers

PRICES = """
version: v7
models:
  openai/a: { inputUSDPerMillionTokens: "3.00", outputUSDPerMillionTokens: "15.00" }
  openai/b: { inputUSDPerMillionTokens: "0.1", outputUSDPerMillionTokens: "90" }
"""


def written(folder: Path, text: str) -> Path:
    """A file with this content."""
    path = folder / "file.yaml"
    path.write_text(text)
    return path


def test_the_most_a_call_may_cost_is_the_dearest_candidates(tmp_path: Path) -> None:
    """Whichever answers, the reservation covers it; without a price there is none."""
    table = prices.load(written(tmp_path, PRICES))
    assert table.version == "v7"
    assert table.upper_bound(["openai/a"], 100, 10) == 450
    assert table.upper_bound(["openai/a", "openai/b"], 100, 10) == 910
    assert table.upper_bound(["openai/a", "openai/c"], 100, 10) is None
    assert table.unpriced(["openai/a", "openai/c"]) == ["openai/c"]


def test_what_somebody_owes_is_never_rounded_down(tmp_path: Path) -> None:
    """One token at a tenth of a micro-dollar costs one micro-dollar."""
    table = prices.load(written(tmp_path, PRICES))
    assert table.models["openai/b"].of(1, 0) == 1


WRONG_PRICES = {
    "a float": 'version: v1\nmodels: { a: { inputUSDPerMillionTokens: 3.0, outputUSDPerMillionTokens: "1" } }',
    "a negative": 'version: v1\nmodels: { a: { inputUSDPerMillionTokens: "-3", outputUSDPerMillionTokens: "1" } }',
    "a word": 'version: v1\nmodels: { a: { inputUSDPerMillionTokens: "free", outputUSDPerMillionTokens: "1" } }',
    "half a price": 'version: v1\nmodels: { a: { inputUSDPerMillionTokens: "3" } }',
    "no version": "models: {}",
    "no YAML": "{",
}


@pytest.mark.parametrize("text", WRONG_PRICES.values(), ids=WRONG_PRICES.keys())
def test_a_price_table_is_refused_for(tmp_path: Path, text: str) -> None:
    """Whoever starts the gateway is told which file is wrong."""
    path = written(tmp_path, text)
    with pytest.raises(errors.SettingsError, match=r"file\.yaml"):
        prices.load(path)


def test_the_first_provider_whose_pattern_matches_counts(tmp_path: Path) -> None:
    """With its own address and the key in its file, read each time."""
    key = tmp_path / "key"
    key.write_text("secret\n")
    text = f"""
models:
  - {{ match: "openai/local-*", baseURL: "http://127.0.0.1:1/v1" }}
  - {{ match: "openai/*", apiKeyFile: "{key}" }}
"""
    found = providers.load(written(tmp_path, text))
    local, far = found.of("openai/local-1"), found.of("openai/gpt")
    assert local == providers.Provider("http://127.0.0.1:1/v1", "none")
    assert far == providers.Provider(None, "secret")
    assert "secret" not in repr(far)
    assert found.of("anthropic/x") is None
    assert not found.need_library
    assert providers.load(written(tmp_path, 'models: [{ match: "*" }]')).need_library


def test_a_provider_file_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    """A misspelt field is a mistake, not a default."""
    with pytest.raises(errors.SettingsError):
        providers.load(written(tmp_path, 'models: [{ match: "*", baseUrl: "http://x" }]'))


async def test_credentials_of_a_directory_lead_nowhere_else(tmp_path: Path) -> None:
    """One file per tenant and key; a name with a way up is no name."""
    (tmp_path / "own" / "shop").mkdir(parents=True)
    (tmp_path / "own" / "shop" / "token").write_text(" s\n")
    (tmp_path / "stray").write_text("not yours")
    source = credentials.Directory(tmp_path / "own")
    assert await source.get("shop", "token") == "s"
    assert await source.get("shop", "missing") is None
    assert await source.get("..", "stray") is None
    assert await source.get("shop", "..") is None
