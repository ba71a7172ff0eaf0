"""How does a program get its settings? From the environment, once, in `main`; what is wrong is said in one line each."""

import sys
from typing import TypeVar

import pydantic
import pydantic_settings

EXIT_WRONG_SETTINGS = 2

S = TypeVar("S", bound=pydantic_settings.BaseSettings)


def load(model: type[S], program: str) -> S:
    """The settings from the environment; names every missing or wrong one and exits 2 where there is any."""
    try:
        return model()
    except pydantic.ValidationError as error:
        prefix = str(model.model_config.get("env_prefix", ""))
        for problem in error.errors():
            field = str(problem["loc"][0]) if problem["loc"] else ""
            about = (
                (model.model_fields[field].description or "").splitlines()
                if field in model.model_fields
                else []
            )
            hint = f" ({about[0]})" if about else ""
            print(f"{program}: {prefix}{field.upper()}: {problem['msg']}{hint}", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_WRONG_SETTINGS)
