"""The rule book: which GIF answers which reaction. docs/rules.md is its guide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
# Absolute, or a path on the server's own HTTP port. Anything else, "javascript:" first of all, is no place
# for a GIF.
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^(https?://[^/\s]+\S*|/[^/\s]\S*)$")]
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.0, le=86400.0, allow_inf_nan=False)]

# Where in a book something is: keys and 0-based places.
Path = tuple[str | int, ...]


class _Part(BaseModel):
    # Strict: in YAML a forgotten quote turns a name into a truth value or a number, which must not pass for
    # a name.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Gif(_Part):
    """A picture to show."""

    url: Url = Field(description='Absolute, or a path on the server\'s HTTP port ("/gifs/...").')
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="What it shows, for people who cannot see it."
    )
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+$")] = Field(
        default="image/gif", description="The media type."
    )
    video_url: Url | None = Field(
        default=None, description="The same as MP4 or WEBM, for receivers that take no animated GIF."
    )


class WeightedGif(_Part):
    """One of a rule's GIFs. In a book, its name alone stands for a weight of 1."""

    gif: Name = Field(description="A name from the table `gifs`.")
    weight: Annotated[float, Field(gt=0.0, le=1_000_000.0, allow_inf_nan=False)] = Field(
        default=1.0, description="How often it is chosen, relative to the rule's others."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"gif": given} if isinstance(given, str) else given


class Rule(_Part):
    """Answers one label. What it leaves unset is taken from the book's defaults."""

    id: Name = Field(default="", description="Its name in explanations; without one, the label.")
    label: Name = Field(description="The reaction that it answers.")
    gifs: list[WeightedGif] = Field(min_length=1, description="One of these is shown.")
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0,
        description="Rules of higher priority are tried first; of equal ones, the first in the book.",
    )
    min_score: Score | None = Field(default=None, description="The least score that it answers.")
    participant_cooldown_s: Seconds | None = Field(
        default=None, description="Seconds until it answers the same participant again."
    )
    room_cooldown_s: Seconds | None = Field(
        default=None, description="Seconds until it answers anybody in the same room again."
    )
    allow_repeats: bool | None = Field(
        default=None, description="True: the GIF shown last in the room may come again at once."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_after_label(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "id" not in given and isinstance(given.get("label"), str):
            return {**given, "id": given["label"]}
        return given


class Defaults(_Part):
    """What rules leave unset."""

    min_score: Score = Field(default=0.5, description="The least score that a rule answers.")
    participant_cooldown_s: Seconds = Field(
        default=10.0, description="Seconds until a rule answers the same participant again."
    )
    room_cooldown_s: Seconds = Field(
        default=2.0, description="Seconds until a rule answers anybody in the same room again."
    )
    allow_repeats: bool = Field(
        default=False, description="True: the GIF shown last in the room may come again at once."
    )


class Room(_Part):
    """What is different in one room."""

    quiet: bool | None = Field(default=None, description="Takes the place of the book's `quiet`.")
    without: list[Name] = Field(default_factory=list, description="Labels that show nothing here.")
    rules: list[Rule] = Field(
        default_factory=list, description="Come beside the book's, or in the place of those with the same id."
    )


class RuleBook(_Part):
    """A whole book."""

    version: Literal[1] = Field(description="The version of this format: 1.")
    quiet: bool = Field(default=False, description="True: nothing is shown anywhere.")
    dry_run: bool = Field(
        default=False, description="True: choices are made and explained, and nothing is shown."
    )
    defaults: Defaults = Field(default_factory=Defaults, description="What rules leave unset.")
    gifs: dict[Name, Gif] = Field(description="Every GIF, by its name.")
    rules: list[Rule] = Field(description="The rules.")
    rooms: dict[Name, Room] = Field(
        default_factory=dict, description="What is different in a room, by its id."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        broken = [f"{where(path)}: {message}" for path, message in broken_references(self.model_dump())]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that some rule answers, in order."""
        rules = [*self.rules, *(rule for room in self.rooms.values() for rule in room.rules)]
        return tuple(dict.fromkeys(rule.label for rule in rules))

    def is_quiet(self, room_id: str) -> bool:
        """True where nothing is shown in the room."""
        room = self.rooms.get(room_id)
        return self.quiet if room is None or room.quiet is None else room.quiet

    def is_without(self, room_id: str, label: str) -> bool:
        """True where the room shows nothing for the label."""
        room = self.rooms.get(room_id)
        return room is not None and label in room.without

    def rules_for(self, room_id: str, label: str) -> list[Rule]:
        """The rules that answer a label in a room, the first to be tried first."""
        room = self.rooms.get(room_id)
        rules: Sequence[Rule] = self.rules
        if room is not None and room.rules:
            own = {rule.id: rule for rule in room.rules}
            known = {rule.id for rule in self.rules}
            rules = [own.get(rule.id, rule) for rule in self.rules]
            rules = [*rules, *(rule for rule in room.rules if rule.id not in known)]
        return sorted((rule for rule in rules if rule.label == label), key=lambda rule: -rule.priority)

    def with_defaults(self, rule: Rule) -> Rule:
        """The rule with nothing unset."""
        defaults = self.defaults.model_dump()
        return rule.model_copy(
            update={key: value for key, value in defaults.items() if getattr(rule, key) is None}
        )


def where(path: Path) -> str:
    """A path for people: `rules[2].gifs[0].weight`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def broken_references(values: Any) -> Iterator[tuple[Path, str]]:
    """Names in a book's plain values that lead nowhere or twice to something.

    Looks past values of the wrong shape.
    """
    if not isinstance(values, Mapping):
        return
    known = values.get("gifs")
    names = [str(name) for name in known] if isinstance(known, Mapping) else []
    for path, rules in rule_lists(values):
        yield from _broken_rules(path, rules, names)


def rule_lists(values: Any) -> Iterator[tuple[Path, list[Any]]]:
    """The lists of rules in a book's plain values, its rooms' included, each with its place."""
    tables: list[tuple[Path, Mapping[Any, Any]]] = [((), values)] if isinstance(values, Mapping) else []
    for path, table in [*tables, *room_tables(values)]:
        rules = table.get("rules")
        if isinstance(rules, list):
            yield (*path, "rules"), rules


def room_tables(values: Any) -> Iterator[tuple[Path, Mapping[Any, Any]]]:
    """The tables of rooms in a book's plain values, each with its place."""
    rooms = values.get("rooms") if isinstance(values, Mapping) else None
    for room_id, room in rooms.items() if isinstance(rooms, Mapping) else ():
        if isinstance(room, Mapping):
            yield ("rooms", room_id), room


def _broken_rules(path: Path, rules: list[Any], names: list[str]) -> Iterator[tuple[Path, str]]:
    seen: Counter[str] = Counter()
    for place, rule in enumerate(rules):
        if not isinstance(rule, Mapping):
            continue
        name = rule.get("id") or rule.get("label")
        if isinstance(name, str):
            seen[name] += 1
            if seen[name] > 1:
                yield (*path, place), f"expected an id of its own for every rule, got {name!r} again"
        gifs = rule.get("gifs")
        for index, entry in enumerate(gifs if isinstance(gifs, list) else []):
            gif = entry.get("gif") if isinstance(entry, Mapping) else entry
            if isinstance(gif, str) and gif not in names:
                expected = (
                    f"one of {', '.join(names)}" if names else "a name from the table gifs, which is empty"
                )
                yield (*path, place, "gifs", index), f"expected {expected}; got {gif!r}"
