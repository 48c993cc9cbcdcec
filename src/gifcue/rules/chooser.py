"""Chooses the GIF for a reaction and explains the choice."""

from __future__ import annotations

import enum
import random
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from gifcue.rules.book import Gif, Rule, RuleBook, WeightedGif
from gifcue.rules.claims import NOTHING_BROUGHT, Brought

# Entries of each memory. Beyond that, those answered longest ago are forgotten. At worst, a reaction is then answered
# before its cooldown has passed.
REMEMBERED = 16_384

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Withheld(enum.StrEnum):
    """Why no GIF is shown for a reaction. If several rules answer its label, the reason is that of the first."""

    QUIET = "quiet"
    WITHOUT = "without"
    NO_RULE = "no_rule"
    SCORE = "score"
    PARTICIPANT_COOLDOWN = "participant_cooldown"
    ROOM_COOLDOWN = "room_cooldown"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class ChosenGif:
    """A GIF to show. `id` is its name in the book; `video_url` is the same animation as MP4 or WEBM."""

    id: str
    url: str
    title: str
    media_type: str
    video_url: str | None = None


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule that was considered, or a GIF of the chosen rule: whether it was taken, and why."""

    rule: str
    gif: str | None
    taken: bool
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice for a reaction. Either `gif` or `withheld` is None; `reason` explains the choice in words.

    `rule` is the rule that was taken, with its `priority` and its cooldowns in seconds. A dry run has one although it
    shows no GIF. No field names a room or a participant.
    """

    label: str
    score: float
    gif: ChosenGif | None
    reason: str
    rule: str | None = None
    priority: int = 0
    considered: tuple[Considered, ...] = ()
    withheld: Withheld | None = None
    participant_cooldown_s: float = 0.0
    room_cooldown_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The choice as plain values, for JSON."""
        return asdict(self)


class _Memory(Generic[_Key, _Value]):
    """A mapping of bounded size. It forgets the entry that was set longest ago."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[_Key, _Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: _Key) -> _Value | None:
        return self._entries.get(key)

    def set(self, key: _Key, value: _Value) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


class Chooser:
    """Chooses by one book at a time, and remembers when it answered each participant and room.

    The same seed and the same reactions in a room give the same GIFs on every machine. Reactions in one room do not
    change the choices in another.

    Args:
        book: The book in force.
        seed: Of the draw among weighted GIFs.
        remembered: Capacity of each memory, in entries.
    """

    def __init__(self, book: RuleBook, seed: int = 0, remembered: int = REMEMBERED) -> None:
        self._book = book
        self._seed = seed
        # The caller's `now_s` of the last answer, by (rule, room, participant) and by (rule, room).
        self._participants: _Memory[tuple[str, str, str], float] = _Memory(remembered)
        self._rooms: _Memory[tuple[str, str], float] = _Memory(remembered)
        # How many GIFs were drawn, and the last one, by (room, label).
        self._shown: _Memory[tuple[str, str], tuple[int, str]] = _Memory(remembered)
        self._withheld: Counter[str] = Counter()
        self._gestures: dict[str, Rule] = {}

    @property
    def book(self) -> RuleBook:
        return self._book

    @property
    def remembered(self) -> int:
        """Entries of all memories together: at most three times the capacity of one."""
        return len(self._participants) + len(self._rooms) + len(self._shown)

    @property
    def withheld(self) -> dict[str, int]:
        """How often no GIF was shown, for each reason."""
        return {reason.value: self._withheld[reason] for reason in Withheld}

    def use(self, book: RuleBook) -> None:
        """Replaces the book. Cooldowns of rules that keep their id stay in force."""
        self._book = book

    def use_gestures(self, gifs: Mapping[str, str]) -> None:
        """Replaces the GIFs of custom and extra gestures: names from the book, by label. They answer where no rule
        does.
        """
        self._gestures = {
            label: Rule(id=f"gesture {label}", label=label, gifs=[WeightedGif(gif=gif)])
            for label, gif in gifs.items()
        }

    def choose(
        self,
        label: str,
        score: float,
        room_id: str,
        participant_id: str,
        now_s: float,
        brought: Brought = NOTHING_BROUGHT,
    ) -> Choice:
        """Chooses a GIF for a reaction that starts at `now_s`. If one is chosen, the cooldowns of its rule start.

        Args:
            label: The reaction.
            score: Its score, 0..1.
            room_id: The room, whose differences from the book apply.
            participant_id: Unique within the room.
            now_s: The caller's clock in seconds. It must never go backwards.
            brought: Cooldowns that the participant and the room bring from another server.
        """
        choice = self._choose(label, score, room_id, participant_id, now_s, brought)
        if choice.withheld is not None:
            self._withheld[choice.withheld] += 1
        return choice

    def _choose(
        self, label: str, score: float, room_id: str, participant_id: str, now_s: float, brought: Brought
    ) -> Choice:
        if self._book.is_quiet(room_id):
            return Choice(label, score, None, "quiet: nothing is shown", withheld=Withheld.QUIET)
        if self._book.excludes(room_id, label):
            return Choice(label, score, None, f"this room goes without {label}", withheld=Withheld.WITHOUT)
        rules = self._book.rules_for(room_id, label) or self._gesture_rules(label)
        rules = [self._book.with_defaults(rule) for rule in rules]
        if not rules:
            return Choice(label, score, None, f"no rule answers {label}", withheld=Withheld.NO_RULE)
        considered: list[Considered] = []
        withheld: Withheld | None = None
        taken: Rule | None = None
        for rule in rules:
            if taken is not None:
                considered.append(Considered(rule.id, None, False, f"rule {taken.id} comes first"))
                continue
            obstacle = self._obstacle(rule, score, room_id, participant_id, now_s, brought)
            if obstacle is None:
                considered.append(Considered(rule.id, None, True, "it answers"))
                taken = rule
            else:
                considered.append(Considered(rule.id, None, False, obstacle[1]))
                withheld = withheld or obstacle[0]
        if taken is None:
            first = considered[0]
            reason = f"rule {first.rule}: {first.why}"
            return Choice(label, score, None, reason, considered=tuple(considered), withheld=withheld)
        name, gifs = self._draw(taken, room_id, label)
        considered += gifs
        self._participants.set((taken.id, room_id, participant_id), now_s)
        self._rooms.set((taken.id, room_id), now_s)
        count, _ = self._shown.get((room_id, label)) or (0, "")
        self._shown.set((room_id, label), (count + 1, name))
        gif, reason = _chosen(name, self._book.gifs[name]), f"rule {taken.id}"
        if self._book.dry_run:
            return Choice(
                label,
                score,
                None,
                f"dry run: {reason} would show {name}",
                taken.id,
                taken.priority,
                tuple(considered),
                Withheld.DRY_RUN,
            )
        return Choice(
            label,
            score,
            gif,
            reason,
            taken.id,
            taken.priority,
            tuple(considered),
            participant_cooldown_s=taken.participant_cooldown_s or 0.0,
            room_cooldown_s=taken.room_cooldown_s or 0.0,
        )

    def _gesture_rules(self, label: str) -> list[Rule]:
        rule = self._gestures.get(label)
        # A book that has changed since may lack the GIF.
        return [rule] if rule is not None and rule.gifs[0].gif in self._book.gifs else []

    def _obstacle(
        self, rule: Rule, score: float, room_id: str, participant_id: str, now_s: float, brought: Brought
    ) -> tuple[Withheld, str] | None:
        """Why a rule does not answer, also in words; None if it does. `rule` has the defaults filled in."""
        if rule.min_score is not None and score < rule.min_score:
            return Withheld.SCORE, f"score {score:.2f} is below {rule.min_score:.2f}"
        waits = (
            (
                Withheld.PARTICIPANT_COOLDOWN,
                "participant",
                rule.participant_cooldown_s,
                self._participants.get((rule.id, room_id, participant_id)),
                brought.participant,
            ),
            (
                Withheld.ROOM_COOLDOWN,
                "room",
                rule.room_cooldown_s,
                self._rooms.get((rule.id, room_id)),
                brought.room,
            ),
        )
        for reason, who, cooldown_s, answered_s, claims in waits:
            if cooldown_s is None:
                continue
            left_s = claims.left_s(rule.id, cooldown_s, now_s)
            if answered_s is not None:
                left_s = max(left_s, cooldown_s - (now_s - answered_s))
            if left_s > 0.0:
                return reason, f"cooldown of the {who}: {left_s:.1f} s left"
        return None

    def _draw(self, rule: Rule, room_id: str, label: str) -> tuple[str, list[Considered]]:
        count, last = self._shown.get((room_id, label)) or (0, None)
        fresh = [each for each in rule.gifs if each.gif != last]
        # A rule with a single GIF repeats it rather than showing none.
        drawn_from: Sequence[WeightedGif] = rule.gifs if rule.allow_repeats or not fresh else fresh
        total = sum(each.weight for each in drawn_from)
        # Each reaction has its own seed, so that a room's choices do not depend on other rooms. repr() separates the
        # parts: without it, ("ab", "c") and ("a", "bc") would have the same seed.
        draw = random.Random(repr((self._seed, room_id, label, count))).random() * total
        name = drawn_from[-1].gif
        for each in drawn_from:
            draw -= each.weight
            if draw < 0.0:
                name = each.gif
                break
        considered: list[Considered] = []
        for each in rule.gifs:
            share = f"{each.weight / total:.0%} likely"
            why = share if each in drawn_from else "was shown last here"
            considered.append(Considered(rule.id, each.gif, each.gif == name, why))
        return name, considered


def _chosen(name: str, gif: Gif) -> ChosenGif:
    return ChosenGif(name, gif.url, gif.title, gif.media_type, gif.video_url)
