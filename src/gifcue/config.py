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
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gifcue.delivery.settings import DeliverySettings
from gifcue.detect.settings import PoolSettings
from gifcue.engine.settings import LimitSettings
from gifcue.errors import ConfigError
from gifcue.media.settings import MediaSettings
from gifcue.reactions.settings import PolicySettings, policy_preset
from gifcue.server.settings import LogSettings, RulesSettings, ServerSettings
from gifcue.workers.settings import SupervisionSettings


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
    detect: PoolSettings = Field(default_factory=PoolSettings)
    reactions: PolicySettings = Field(default_factory=lambda: policy_preset("normal"))
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
        # `load_settings` merges the file and the command line itself, so that each keeps its place in the order.
        return (init_settings,)


class _Environment(Settings):
    """Reads the environment alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings,)


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads a TOML file, the environment over it, and `overrides` (nested tables) over both.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names file and field.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: expected a readable file: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: expected TOML: {error}") from None
    try:
        environment = _Environment().model_dump(exclude_unset=True)
        values = _merge(_merge(values, environment), overrides or {})
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{path}: " if path is not None else ""
        raise ConfigError(f"{where}{field}: {first['msg']}{_got(first['loc'], first['input'])}") from None


def _got(place: tuple[int | str, ...], value: Any) -> str:
    """What came, unless it may be or hold a secret: sinks have keys, and a misspelt table holds what it holds."""
    is_plain = isinstance(value, str | int | float | bool | None)
    return f", got {value!r}" if is_plain and place[0] != "delivery" else ""


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
