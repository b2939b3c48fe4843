"""The types of the few fields that a launch may set: plain values within bounds.

Dagster resolves `{env: NAME}` in the config of its own string and integer fields to that variable's value. The types
here take plain values only, so that no value that is set at launch can resolve to a secret.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dagster as dg
from dagster._config.config_type import ConfigScalar, ConfigScalarKind
from dagster._config.errors import PostProcessingError

from cybersec_assets.errors import SettingsError
from cybersec_assets.redaction import has_secret, redacted_errors

Make = Callable[[dg.InitResourceContext], AbstractContextManager[Any]]
"""Create a resource for as long as the context is open."""


class PlainText(ConfigScalar):
    """A text that contains no secret of the environment, unless it is the environment's own value of the field."""

    def __init__(self, field: str, own: str) -> None:
        """Create the type of one field.

        Args:
            field: The field's name, for errors.
            own: The field's value in the environment, which is always accepted.
        """
        self._field = field
        self._own = own
        super().__init__(f"PlainText_{field}", "PlainText", ConfigScalarKind.STRING)

    def post_process(self, value: str) -> str:
        """Return the text.

        Raises:
            SettingsError: It contains a secret. Dagster's own error type would quote the value.
        """
        if value != self._own and has_secret(value):
            raise SettingsError(
                f"`{self._field}` of the run's config contains a secret of the environment", "Remove it"
            )
        return value


class Share(ConfigScalar):
    """A number from 0 to 1."""

    def __init__(self) -> None:
        super().__init__("Share", "Share", ConfigScalarKind.FLOAT)

    def post_process(self, value: float) -> float:
        """Return the number.

        Raises:
            PostProcessingError: It is out of bounds, or not a number.
        """
        if not 0 <= value <= 1:
            raise PostProcessingError("a share is a number from 0 to 1")
        return float(value)


class Count(ConfigScalar):
    """An integer of at least 1."""

    def __init__(self, greatest: int) -> None:
        """Accept integers up to the greatest."""
        self._greatest = greatest
        super().__init__("Count", "Count", ConfigScalarKind.INT)

    def post_process(self, value: int) -> int:
        """Return the integer.

        Raises:
            PostProcessingError: It is out of bounds.
        """
        if not 1 <= value <= self._greatest:
            raise PostProcessingError(f"a count is an integer from 1 to {self._greatest}")
        return value


def one_of(name: str, values: tuple[str, ...]) -> dg.Enum:
    """Return the type of a text that is one of some values."""
    return dg.Enum(name, [dg.EnumValue(value) for value in values])


SHARE = Share()
COUNT = Count(greatest=100_000_000)
LEVEL = one_of("LogLevel", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
CONSOLE = dg.colored_console_logger.configured(
    lambda config: {"name": "dagster", "log_level": config["log_level"]},
    config_schema={"log_level": dg.Field(LEVEL, default_value="DEBUG")},
)
"""Dagster's console logger, without the field for its name, which is a free text."""


def shares(config: type[dg.Config]) -> dict[str, dg.Field]:
    """Return the schema of a config class whose fields are all shares. The schema is checked at launch.

    Dagster checks the bounds of a `Config` class only when the step runs.
    """
    fields = config.model_fields.items()
    return {name: dg.Field(SHARE, default_value=field.default, description=field.description) for name, field in fields}


def fixed(make: Make, requires: Collection[str] = ()) -> dg.ResourceDefinition:
    """Return a resource that takes no config at launch and is shared by all its dependents in a run.

    Args:
        make: Creates the resource when a run starts.
        requires: The keys of the resources that it depends on.
    """
    return dg.ResourceDefinition(
        lambda context: _redacted(make, context), config_schema={}, required_resource_keys=set(requires)
    )


def fixed_io_manager(make: Make, requires: Collection[str] = ()) -> dg.IOManagerDefinition:
    """Return an IO manager that takes no config at launch; see `fixed`."""

    def create(context: dg.InitResourceContext) -> Any:
        with _redacted(make, context) as manager:
            return manager

    return dg.IOManagerDefinition(create, config_schema={}, required_resource_keys=set(requires))


@contextmanager
def _redacted(make: Make, context: dg.InitResourceContext) -> Iterator[Any]:
    with redacted_errors(), make(context) as value:
        yield value
