"""The settings of a whole server: a TOML file, environment variables over it, the command line over both.

Each part's settings live with the part; this module puts them together. Environment variables are named after the
field: GIFCUE_SERVER__LISTEN is `listen` in the table `[server]`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from gifcue.delivery.settings import DeliverySettings
from gifcue.detect.settings import DetectSettings
from gifcue.engine.settings import LimitSettings
from gifcue.errors import ConfigError
from gifcue.media.settings import MediaSettings
from gifcue.reactions.settings import ReactionSettings, policy_preset
from gifcue.server.settings import LogSettings, RulesSettings, ServerSettings
from gifcue.tables import merge
from gifcue.workers.settings import SupervisionSettings

# Mistakes of a key that is none of ours, and of a value in the place of a table: nobody knows what they hold.
_OUT_OF_PLACE = frozenset({"extra_forbidden", "model_type", "dict_type"})


class Settings(BaseSettings):
    """Everything that can be set. Tables of the file are the fields here."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="GIFCUE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    detect: DetectSettings = Field(default_factory=DetectSettings)
    reactions: ReactionSettings = Field(default_factory=lambda: policy_preset("normal"))
    rules: RulesSettings = Field(default_factory=RulesSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    supervision: SupervisionSettings = Field(default_factory=SupervisionSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load_settings` merges file, environment and command line itself, so that each keeps its place in the order.
        return (init_settings,)


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads a TOML file, the environment over it, and `overrides` (nested tables) over both.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names file and field, or the variable.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: expected a readable file: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: expected TOML: {error}") from None
    # Checked once they are together: a variable may give what the file's table lacks.
    values = merge(merge(values, _environment()), overrides or {})
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{path}: " if path is not None else ""
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}{field}: {message}{_got(first)}") from None


def _environment() -> dict[str, Any]:
    """What the environment gives, in tables as the file has them."""
    source = EnvSettingsSource(Settings)
    try:
        return source()
    except SettingsError:
        # It names the table alone, and its cause holds the value, which may be a secret.
        name = _unreadable(source)
    raise ConfigError(f"{name}: expected JSON, got text that is none")


def _unreadable(source: EnvSettingsSource) -> str:
    """The first variable that cannot be read. Each is read by itself for that."""
    given = source.env_vars
    for name, value in given.items():
        source.env_vars = {name: value}
        try:
            source()
        except SettingsError:
            return name.upper()
    raise AssertionError("expected a variable that cannot be read by itself, found none")


def _got(mistake: ErrorDetails) -> str:
    """What came, unless it may be or hold a secret: sinks have keys, and who misplaces a key may do so anywhere."""
    is_known = mistake["type"] not in _OUT_OF_PLACE and mistake["loc"][0] != "delivery"
    value = mistake["input"]
    is_plain = isinstance(value, str | int | float | bool | None)
    return f", got {value!r}" if is_known and is_plain else ""
