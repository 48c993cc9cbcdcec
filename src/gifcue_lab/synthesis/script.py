"""The script of a sequence as plain data, as script.json holds it.

Times are seconds from the sequence's start. Lengths are pixels of the photographs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from pydantic import TypeAdapter

Codec = Literal["h264", "vp8"]
# What a moving hand holds.
Held = Literal["", "cup", "phone"]


@dataclass(frozen=True, slots=True)
class Key:
    """The pose of a cut-out hand at a time: rotated by `angle_deg` about its elbow and moved by (x, y).

    Between two keys the pose is eased, so keys at the turning points make a swing.
    """

    at_s: float
    x: float = 0.0
    y: float = 0.0
    angle_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A cut-out hand that moves in front of the picture.

    Attributes:
        photo: the photograph of the hand.
        fillers: the photographs that give its background, and so the mask of the hand.
        keys: the motion.
        held: what the hand holds.
    """

    photo: str
    fillers: tuple[str, ...]
    keys: tuple[Key, ...]
    held: Held = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """Another person who leans into the frame from a side.

    Attributes:
        photo: the guest's photograph.
        fillers: the photographs that replace its hands.
        face_share: height of the guest's face as a share of the participant's.
        reach: distance of the middle of the guest's face from the side, as a share of the frame's width.
    """

    photo: str
    fillers: tuple[str, ...]
    side: Literal["left", "right"]
    face_share: float
    reach: float


@dataclass(frozen=True, slots=True)
class Light:
    """A change of light that fades in and out over `ramp_s`.

    Attributes:
        gain, gamma: applied to all channels.
        tint: gains of red, green and blue.
        hz: frequency of flicker; 0 for none.
    """

    start_s: float
    end_s: float
    ramp_s: float
    gain: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    hz: float = 0.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture from `start_s` to `end_s`.

    Attributes:
        photo: the photograph that is shown; empty for a clip.
        fillers: the photographs that replace its hands; empty to show it unchanged.
        fade_s: seconds of the transition from the shot before.
        talks: whether the jaw moves.
        whole: whether the whole picture is shown, whatever the `cover` of the video.
        clip: the real clip that is shown instead of a photograph, from `clip_from_s` on.
    """

    start_s: float
    end_s: float
    photo: str = ""
    fillers: tuple[str, ...] = ()
    fade_s: float = 0.0
    layer: Layer | None = None
    guest: Guest | None = None
    talks: bool = False
    whole: bool = False
    clip: str = ""
    clip_from_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """A label from `start_s` to `end_s`."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: what happens from `start_s` to `end_s`.

    Attributes:
        kind: its type, see docs/composing.md.
        expect: each needs exactly one reaction.
        allow: a reaction that starts within one of these is neither expected nor false.
    """

    kind: str
    start_s: float
    end_s: float
    shots: tuple[Shot, ...]
    expect: tuple[Span, ...] = ()
    allow: tuple[Span, ...] = ()
    lights: tuple[Light, ...] = ()


@dataclass(frozen=True, slots=True)
class Video:
    """The size and encoding of a sequence.

    Attributes:
        cover: None adds bars if a photograph has another aspect. Otherwise the photograph fills the frame, and this is
            the position of the visible part: 0 at the top, 1 at the bottom.
    """

    width: int
    height: int
    fps: int
    codec: Codec
    bits_per_s: int
    keyframe_s: float
    cover: float | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence, of one participant. `seed` is that of the noise and of the motion of body and camera."""

    name: str
    person: str
    seconds: float
    seed: int
    video: Video
    segments: tuple[Segment, ...] = field(default=())

    @property
    def shots(self) -> list[Shot]:
        """All shots in order, without gaps."""
        return [shot for segment in self.segments for shot in segment.shots]

    @property
    def expect(self) -> list[Span]:
        """All expected reactions."""
        return [span for segment in self.segments for span in segment.expect]

    @property
    def allow(self) -> list[Span]:
        """All allowed reactions."""
        return [span for segment in self.segments for span in segment.allow]

    @property
    def photos(self) -> set[str]:
        """The names of all photographs that it needs."""
        names: set[str] = set()
        for shot in self.shots:
            names |= {shot.photo, *shot.fillers}
            for other in (shot.layer, shot.guest):
                if other is not None:
                    names |= {other.photo, *other.fillers}
        return names - {""}

    def to_json(self) -> dict[str, Any]:
        """The content of script.json for this sequence."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """The sequence of `to_json`. Raises pydantic's ValidationError where it is none."""
        return TypeAdapter(cls).validate_python(content)
