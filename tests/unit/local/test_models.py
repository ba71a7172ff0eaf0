"""Does the local gateway come to know a person's own models, and does a folder that cannot be used say why?"""

from pathlib import Path

import pytest

from hack.local import models, programs
from keelstep_gateway import prices, providers

PROVIDERS = """
models:
  - {match: openai/mine, baseURL: "http://127.0.0.1:1/v1", apiKeyFile: mine.key}
"""
PRICES = """
version: mine-1
models:
  openai/mine: {inputUSDPerMillionTokens: "1", outputUSDPerMillionTokens: "2"}
"""
SHOP = "openai/shop-scripted-1"
SCRIPTED = "http://127.0.0.1:2/v1"


def folder(tmp_path: Path, known: str = PROVIDERS, priced: str = PRICES) -> Path:
    """A person's folder."""
    (tmp_path / models.PROVIDERS).write_text(known)
    (tmp_path / models.PRICES).write_text(priced)
    (tmp_path / "mine.key").write_text("sk-of-this-test")
    return tmp_path


def test_ones_own_models_come_before_the_examples(tmp_path: Path) -> None:
    """The gateway reaches both, each with its own price; keys are found from wherever the gateway runs."""
    (tmp_path / "mine").mkdir()
    own, kept = folder(tmp_path / "mine"), tmp_path / "kept"
    assert models.check(own) == ["openai/mine"]
    models.keep(own, kept)
    models.write(tmp_path, kept, programs.EXAMPLE, SCRIPTED)
    known, priced = providers.load(tmp_path / models.PROVIDERS), prices.load(tmp_path / models.PRICES)
    mine, shop = known.of("openai/mine"), known.of(SHOP)
    assert mine is not None
    assert shop is not None
    assert (mine.base_url, mine.api_key) == ("http://127.0.0.1:1/v1", "sk-of-this-test")
    assert shop.base_url == SCRIPTED
    assert priced.unpriced(["openai/mine", SHOP]) == []
    assert priced.version.startswith("mine-1+"), "a cost says which table it comes from"


def test_without_models_of_ones_own_the_example_is_known(tmp_path: Path) -> None:
    """Every name of the example's leads to the scripted model."""
    models.write(tmp_path, tmp_path / "kept", programs.EXAMPLE, SCRIPTED)
    found = providers.load(tmp_path / models.PROVIDERS).of(SHOP)
    assert found is not None
    assert found.base_url == SCRIPTED
    assert prices.load(tmp_path / models.PRICES).unpriced([SHOP]) == []


MISTAKES = {
    "a price without a provider": (PROVIDERS.replace("openai/mine", "openai/*x"), PRICES, "no provider in"),
    "a provider without a price": (
        PROVIDERS,
        PRICES.replace("openai/mine", "openai/min"),
        "has a price, and no",
    ),
    "a name that nothing prices": (
        PROVIDERS + "  - {match: openai/other}",
        PRICES,
        "openai/other has no price in prices.yaml",
    ),
    "a field that there is not": (PROVIDERS.replace("baseURL", "url"), PRICES, "unknown field `url`"),
    "no YAML": ("models: [", PRICES, "providers.yaml"),
    "a price that is no number": (
        PROVIDERS,
        PRICES.replace('"1"', '"cheap"'),
        "'cheap' is no decimal number",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_folder_that_cannot_be_used_says_why(mistake: str, tmp_path: Path) -> None:
    """One line that names the file, before anything is started or changed."""
    known, priced, message = MISTAKES[mistake]
    with pytest.raises(models.ModelsError) as caught:
        models.check(folder(tmp_path, known, priced))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_files_says_which(tmp_path: Path) -> None:
    """And where to look for an example."""
    with pytest.raises(
        models.ModelsError, match=r"no providers\.yaml and no prices\.yaml; examples/first-agent"
    ):
        models.check(tmp_path)


def test_the_first_agents_folder_can_be_used() -> None:
    """The page says so."""
    root = Path(__file__).resolve().parents[3]
    assert models.check(root / "examples" / "first-agent") == ["openai/my-model"]
