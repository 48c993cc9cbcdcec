"""The settings of a whole server. The command line overrides environment variables, and they override a TOML file.

    GIFCUE_SERVER__LISTEN=0.0.0.0:50051       is `listen` in the table [server]
    GIFCUE_EXPERT__MEDIA__SLOTS_PER_WORKER=8  is `slots_per_worker` in the table [expert.media]

pydantic-settings reads and merges the sources, and everything is checked once, after the merge: a variable may give
what the file's table lacks. The settings models lie with the parts that they belong to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from gifcue.access.settings import AccessSettings
from gifcue.delivery.settings import DeliverySettings
from gifcue.detect.settings import DetectSettings
from gifcue.engine.settings import LimitSettings
from gifcue.errors import ConfigError
from gifcue.expert import EXPERT
from gifcue.media.settings import MediaSettings
from gifcue.media.still_settings import StillSettings
from gifcue.reactions.settings import ReactionSettings
from gifcue.server.setting_names import check_expert, check_operator, setting_name
from gifcue.server.settings import LogSettings, RulesSettings, ServerSettings, TracingSettings, WhipSettings
from gifcue.workers.settings import SupervisionSettings

_PREFIX = "GIFCUE_"
_EXPERT_PREFIX = f"{_PREFIX}EXPERT__"
# Errors about an unknown key, or a value in the place of a table: the value may be a secret that was misplaced.
_OUT_OF_PLACE = frozenset({"extra_forbidden", "model_type", "dict_type"})


class Settings(BaseSettings):
    """Everything that can be set, a field for each table."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        # The text of pydantic's own error quotes the input, which may be a secret.
        hide_input_in_errors=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    whip: WhipSettings = Field(default_factory=WhipSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    stills: StillSettings = Field(default_factory=StillSettings)
    detect: DetectSettings = Field(default_factory=DetectSettings)
    reactions: ReactionSettings = Field(default_factory=ReactionSettings)
    rules: RulesSettings = Field(default_factory=RulesSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    supervision: Annotated[SupervisionSettings, EXPERT] = Field(default_factory=SupervisionSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        environment = _environment(_PREFIX)
        expert_environment = _environment(_EXPERT_PREFIX)
        file = TomlConfigSettingsSource(settings_cls)
        expert_file = file.init_kwargs.pop("expert", {})
        check_operator(cls, environment, _variable)
        check_expert(cls, expert_environment, _variable)
        try:
            check_operator(cls, file(), ".".join)
            check_expert(cls, expert_file, ".".join)
        except ConfigError as error:
            raise ConfigError(f"{settings_cls.model_config['toml_file']}: {error}") from None
        # The first source that has a key gives it.
        return (
            init_settings,
            InitSettingsSource(settings_cls, environment),
            InitSettingsSource(settings_cls, expert_environment),
            file,
            InitSettingsSource(settings_cls, expert_file),
        )


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads a TOML file and the environment, which overrides it. `overrides` override both.

    `overrides` are nested tables with the names of the models, that is without a table `expert`.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; the message names file and setting, or the
            variable, and never holds a secret.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    where = f"{path}: " if path is not None else ""
    try:
        if path is not None:
            path.open("rb").close()  # pydantic-settings passes over a file that does not exist
        read = FromFile(**(overrides or {}))
        # Of the class that has a name: settings go to other processes.
        values = {name: getattr(read, name) for name in Settings.model_fields}
        return Settings.model_construct(_fields_set=read.model_fields_set, **values)
    except OSError as error:
        raise ConfigError(f"{where}expected a readable file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}expected TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(setting_name(Settings, [str(part) for part in first["loc"]]))
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}{name}: {message}{_got(first)}") from None


def _environment(prefix: str) -> dict[str, Any]:
    """What the variables with a prefix give, in tables."""
    source = EnvSettingsSource(Settings, env_prefix=prefix)
    try:
        return source()
    except SettingsError:
        # It names the table alone, and its cause holds the value, which may be a secret.
        name = _unreadable(source)
    raise ConfigError(f"{name}: expected JSON, got text that is none")


def _unreadable(source: EnvSettingsSource) -> str:
    """The name of the first variable that cannot be read."""
    given = source.env_vars
    for name, value in given.items():
        source.env_vars = {name: value}
        try:
            source()
        except SettingsError:
            return name.upper()
    raise AssertionError("expected a variable that cannot be read by itself, found none")


def _variable(names: Sequence[str]) -> str:
    return _PREFIX + "__".join(names).upper()


def _got(mistake: ErrorDetails) -> str:
    """The value, unless it may be or hold a secret: sinks have keys, and a misplaced key can stand anywhere."""
    is_known = mistake["type"] not in _OUT_OF_PLACE and mistake["loc"][0] != "delivery"
    value = mistake["input"]
    is_plain = isinstance(value, str | int | float | bool | None)
    return f", got {value!r}" if is_known and is_plain else ""
