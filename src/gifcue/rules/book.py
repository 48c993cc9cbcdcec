"""The rule book: which GIF answers which reaction. docs/rules.md describes it for users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
# An http or https address, or a path on the server's own HTTP port. Other schemes are refused: a client might run a
# "javascript:" address.
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^(https?://[^/\s]+\S*|/[^/\s]\S*)$")]
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.0, le=86400.0, allow_inf_nan=False)]

# Where in a book something is: keys and 0-based indexes.
Location = tuple[str | int, ...]


class _Part(BaseModel):
    # Strict: without its quotes, a name can be a truth value or a number in YAML. It must not be accepted as a name.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Gif(_Part):
    """One GIF."""

    url: Url = Field(
        description='An http or https address, or a path on the server\'s HTTP port ("/gifs/...").'
    )
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="What the GIF shows, for people who cannot see it."
    )
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+$")] = Field(
        default="image/gif", description="The media type."
    )
    video_url: Url | None = Field(
        default=None,
        description="The same animation as MP4 or WEBM, for receivers that cannot show an animated GIF.",
    )


class WeightedGif(_Part):
    """One of a rule's GIFs. In a book, a name alone has a weight of 1."""

    gif: Name = Field(description="A name from the table `gifs`.")
    weight: Annotated[float, Field(gt=0.0, le=1_000_000.0, allow_inf_nan=False)] = Field(
        default=1.0, description="How often it is chosen, relative to the other GIFs of the rule."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"gif": given} if isinstance(given, str) else given


class Rule(_Part):
    """Answers one label. Fields that are not set are taken from the book's defaults."""

    id: Name = Field(
        default="", description="The rule's name in explanations. Without one, the label is used."
    )
    label: Name = Field(description="The reaction that the rule answers.")
    gifs: list[WeightedGif] = Field(min_length=1, description="One of these GIFs is shown.")
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0,
        description="Rules of higher priority are tried first, then those that come first in the book.",
    )
    min_score: Score | None = Field(default=None, description="The lowest score that the rule answers.")
    participant_cooldown_s: Seconds | None = Field(
        default=None, description="Seconds until the rule answers the same participant again."
    )
    room_cooldown_s: Seconds | None = Field(
        default=None, description="Seconds until the rule answers any participant of the same room again."
    )
    allow_repeats: bool | None = Field(
        default=None, description="True: the GIF shown last in the room may be shown again at once."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_after_label(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "id" not in given and isinstance(given.get("label"), str):
            return {**given, "id": given["label"]}
        return given


class Defaults(_Part):
    """The values of rules that do not set their own."""

    min_score: Score = Field(default=0.5, description="The lowest score that a rule answers.")
    participant_cooldown_s: Seconds = Field(
        default=10.0, description="Seconds until a rule answers the same participant again."
    )
    room_cooldown_s: Seconds = Field(
        default=2.0, description="Seconds until a rule answers any participant of the same room again."
    )
    allow_repeats: bool = Field(
        default=False, description="True: the GIF shown last in the room may be shown again at once."
    )


class Room(_Part):
    """The differences in one room."""

    quiet: bool | None = Field(default=None, description="Overrides the book's `quiet`.")
    without: list[Name] = Field(default_factory=list, description="Labels for which no GIF is shown here.")
    rules: list[Rule] = Field(
        default_factory=list, description="Further rules. One with the id of a rule of the book replaces it."
    )


class RuleBook(_Part):
    """A whole book."""

    version: Literal[1] = Field(description="The version of this format: 1.")
    quiet: bool = Field(default=False, description="True: no GIF is shown in any room.")
    dry_run: bool = Field(default=False, description="True: GIFs are chosen and explained, but not shown.")
    defaults: Defaults = Field(
        default_factory=Defaults, description="The values of rules that do not set their own."
    )
    gifs: dict[Name, Gif] = Field(description="Every GIF, by its name.")
    rules: list[Rule] = Field(description="The rules.")
    rooms: dict[Name, Room] = Field(default_factory=dict, description="The differences in a room, by its id.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        broken = [
            f"{format_location(location)}: {message}"
            for location, message in broken_references(self.model_dump())
        ]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a rule answers, in the order of the book."""
        rules = [*self.rules, *(rule for room in self.rooms.values() for rule in room.rules)]
        return tuple(dict.fromkeys(rule.label for rule in rules))

    def is_quiet(self, room_id: str) -> bool:
        """True if no GIF is shown in the room."""
        room = self.rooms.get(room_id)
        return self.quiet if room is None or room.quiet is None else room.quiet

    def excludes(self, room_id: str, label: str) -> bool:
        """True if the room shows no GIF for the label."""
        room = self.rooms.get(room_id)
        return room is not None and label in room.without

    def rules_for(self, room_id: str, label: str) -> list[Rule]:
        """The rules that answer a label in a room, in the order in which they are tried."""
        room = self.rooms.get(room_id)
        rules: Sequence[Rule] = self.rules
        if room is not None and room.rules:
            own = {rule.id: rule for rule in room.rules}
            known = {rule.id for rule in self.rules}
            rules = [own.get(rule.id, rule) for rule in self.rules]
            rules = [*rules, *(rule for rule in room.rules if rule.id not in known)]
        return sorted((rule for rule in rules if rule.label == label), key=lambda rule: -rule.priority)

    def with_defaults(self, rule: Rule) -> Rule:
        """The rule with the book's defaults for the fields that it does not set."""
        defaults = self.defaults.model_dump()
        return rule.model_copy(
            update={key: value for key, value in defaults.items() if getattr(rule, key) is None}
        )


def format_location(location: Location) -> str:
    """A location as people write it: `rules[2].gifs[0].weight`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def broken_references(values: Any) -> Iterator[tuple[Location, str]]:
    """Names of GIFs that do not exist and ids that two rules share, each with a message.

    Args:
        values: A book's plain values. Those of the wrong type are passed over.
    """
    if not isinstance(values, Mapping):
        return
    known = values.get("gifs")
    names = [str(name) for name in known] if isinstance(known, Mapping) else []
    for location, rules in rule_lists(values):
        yield from _broken_rules(location, rules, names)


def rule_lists(values: Any) -> Iterator[tuple[Location, list[Any]]]:
    """The lists of rules in a book's plain values, including those of rooms."""
    tables: list[tuple[Location, Mapping[Any, Any]]] = [((), values)] if isinstance(values, Mapping) else []
    for location, table in [*tables, *room_tables(values)]:
        rules = table.get("rules")
        if isinstance(rules, list):
            yield (*location, "rules"), rules


def room_tables(values: Any) -> Iterator[tuple[Location, Mapping[Any, Any]]]:
    """The tables of rooms in a book's plain values."""
    rooms = values.get("rooms") if isinstance(values, Mapping) else None
    for room_id, room in rooms.items() if isinstance(rooms, Mapping) else ():
        if isinstance(room, Mapping):
            yield ("rooms", room_id), room


def _broken_rules(location: Location, rules: list[Any], names: list[str]) -> Iterator[tuple[Location, str]]:
    seen: Counter[str] = Counter()
    for number, rule in enumerate(rules):
        if not isinstance(rule, Mapping):
            continue
        name = rule.get("id") or rule.get("label")
        if isinstance(name, str):
            seen[name] += 1
            if seen[name] > 1:
                yield (*location, number), f"expected a different id for every rule, got {name!r} again"
        gifs = rule.get("gifs")
        for index, entry in enumerate(gifs if isinstance(gifs, list) else []):
            gif = entry.get("gif") if isinstance(entry, Mapping) else entry
            if isinstance(gif, str) and gif not in names:
                expected = (
                    f"one of {', '.join(names)}" if names else "a name from the table gifs, which is empty"
                )
                yield (*location, number, "gifs", index), f"expected {expected}; got {gif!r}"
