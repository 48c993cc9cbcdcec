"""The values of a TOML table as the fields of a dataclass, with their types checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from gifcue.errors import ConfigError

# What TOML calls the types that pydantic names.
_TOML_TYPES = {
    "valid tuple": "list",
    "valid dictionary": "table",
    "a valid integer": "a whole number",
    "valid ": "",
}


def typed(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the fields of `owner` hold them: lists as tuples, and tables as dataclasses where a field is one.

    Nothing is converted from another type: a text is no number, and no list of its letters. Keys that `owner` does not
    have stay as they are.

    Raises:
        ConfigError: a value is of another type; the message names its key.
        TypeError: a table has a key that its dataclass does not have.
    """
    hints = get_type_hints(owner)
    return {key: _typed(key, hints[key], value) if key in hints else value for key, value in values.items()}


def _typed(key: str, hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}: expected a table, got {value!r}")
        return hint(**typed(hint, value))
    if get_origin(hint) is tuple and isinstance(value, list):
        value = tuple(value)
    try:
        return TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((key, *(str(part) for part in first["loc"])))
        expected = first["msg"].removeprefix("Input should be ")
        for name, ours in _TOML_TYPES.items():
            expected = expected.replace(name, ours)
        raise ConfigError(f"{place}: expected {expected}, got {first['input']!r}") from None
