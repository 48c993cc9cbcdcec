"""Where settings stand in the file: operator settings, expert settings, and names that were renamed or removed.

A name here is a sequence of keys: ("media", "filter", "metric") in the models is ("expert", "media", "filter",
"metric") in the file, because the field is marked as `EXPERT`. "*" stands for a key that the user chooses, such as a
label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gifcue.errors import ConfigError
from gifcue.expert import Expert

# Spells a setting for a message: "media.workers", or the name of an environment variable.
Spell = Callable[[Sequence[str]], str]

_SINKS = ("webhook", "eyeson")
_QUEUE_KEYS = (
    "max_queued",
    "max_requests",
    "timeout_s",
    "max_age_s",
    "backoff_initial_s",
    "backoff_max_s",
    "jitter",
)
# Names that no longer exist, and the name that took their place.
RENAMED: dict[str, str] = {
    "reactions.telling_votes": "expert.reactions.holding_votes",
    **{
        f"delivery.{sink}.courier.{key}": f"expert.delivery.{sink}.queue.{key}"
        for sink in _SINKS
        for key in _QUEUE_KEYS
    },
    **{
        f"delivery.{sink}.courier.retry_unanswered": f"delivery.{sink}.queue.retry_unanswered"
        for sink in _SINKS
    },
}
# Names that no longer exist, and the value that is fixed instead.
REMOVED: dict[str, str] = {
    "server.max_unread_holding": "64 HOLDING events",
    "server.max_unread_notices": "10,000 events",
    "limits.max_extradata_bytes": "65,536 bytes",
    "limits.max_name_bytes": "128 bytes",
    "limits.keyframe_request_interval_s": "1 s",
    "limits.left_participants_kept": "256 participants",
    "media.long_side": "640 pixels",
    "media.short_side": "360 pixels",
    "media.still_long_side": "1280 pixels",
    "media.still_short_side": "720 pixels",
    "media.filter.tiles_long": "16 tiles",
    "media.filter.tiles_short": "9 tiles",
    "media.filter.luma_bins": "16 bins",
    "media.filter.chroma_bins": "8 bins",
    "reactions.swings.under_way_share": "0.6",
    "reactions.swings.under_way_of_last": "0.25",
    "reactions.tracks.min_iou": "0.15",
    "reactions.tracks.max_jump": "1.5 sizes",
    "reactions.tracks.max_scale": "3",
    "reactions.tracks.speed_over_s": "0.15 s",
    "reactions.min_misses": "2 frames",
    "reactions.max_backstep_s": "0.5 s",
    "supervision.max_restarts": "no limit: workers are restarted for ever",
    "supervision.restart_window_s": "no window: workers are restarted for ever",
}


class Declared(NamedTuple):
    """One setting as its model declares it. `keys` lead to it in the models."""

    keys: tuple[str, ...]
    field: FieldInfo
    is_expert: bool

    @property
    def name(self) -> str:
        """Its place in the file."""
        return ".".join(("expert", *self.keys) if self.is_expert else self.keys)


def declared(model: type[BaseModel]) -> Iterator[Declared]:
    """Every setting of a model and of the tables in it."""
    yield from _declared(model, (), is_expert=False)


def moved(model: type[BaseModel]) -> dict[str, str]:
    """Settings that were renamed, moved or removed: a sentence for each old name."""
    added = set(RENAMED.values())
    became = {
        ".".join(each.keys): f"is now {each.name}"
        for each in declared(model)
        if each.is_expert and each.name not in added
    }
    became |= {old: f"is now {new}" for old, new in RENAMED.items()}
    became |= {old: _removed(value) for old, value in REMOVED.items()}
    return became


def check_operator(model: type[BaseModel], tables: Mapping[str, Any], spell: Spell) -> None:
    """Refuses names outside of `[expert]` that have moved. Other mistakes are left to the validation.

    Raises:
        ConfigError: the message says what became of the setting.
    """
    became = {tuple(old.split(".")): sentence for old, sentence in moved(model).items()}
    for keys in _given(tables):
        for old, sentence in became.items():
            if _matches(old, keys):
                raise ConfigError(f"{spell(keys)}: {sentence}")


def check_expert(model: type[BaseModel], tables: Any, spell: Spell) -> None:
    """Refuses names in `[expert]` that are none of an expert setting.

    Raises:
        ConfigError: the message says where the setting belongs, if it is one.
    """
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{spell(['expert'])}: expected a table")
    known = list(declared(model))
    for keys in _given(tables):
        found = next((each for each in known if _matches(each.keys, keys)), None)
        if found is None:
            fixed = REMOVED.get(".".join(keys))
            became = "expected the name of an expert setting" if fixed is None else _removed(fixed)
            raise ConfigError(f"{spell(['expert', *keys])}: {became}")
        if not found.is_expert:
            raise ConfigError(
                f"{spell(['expert', *keys])}: is no expert setting; expected it as {spell(keys)}"
            )


def setting_name(model: type[BaseModel], keys: Sequence[str]) -> tuple[str, ...]:
    """The place in the file of a setting or table that `keys` lead to in the models, whether it exists or not."""
    for length in range(len(keys), 0, -1):
        marks = {each.is_expert for each in declared(model) if _matches(each.keys[:length], keys[:length])}
        if marks:
            # A table is an expert's if all of its settings are.
            return ("expert", *keys) if marks == {True} else tuple(keys)
    return tuple(keys)


def _removed(value: str) -> str:
    return f"was removed; the value is fixed at {value}"


def _declared(model: type[BaseModel], under: tuple[str, ...], *, is_expert: bool) -> Iterator[Declared]:
    for name, field in model.model_fields.items():
        marked = is_expert or any(isinstance(each, Expert) for each in field.metadata)
        keys = (*under, name)
        table = _table(field.annotation)
        if table is None:
            yield Declared(keys, field, marked)
        else:
            keys = (*keys, "*") if get_origin(field.annotation) is dict else keys
            yield from _declared(table, keys, is_expert=marked)


def _table(annotation: Any) -> type[BaseModel] | None:
    """The model of a table, of an optional table, or of the tables in a dict."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _given(tables: Mapping[str, Any], under: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys to every value in nested tables."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _given(value, (*under, key))
        else:
            yield (*under, key)


def _matches(pattern: Sequence[str], keys: Sequence[str]) -> bool:
    return len(pattern) == len(keys) and all(
        part in ("*", key) for part, key in zip(pattern, keys, strict=True)
    )
