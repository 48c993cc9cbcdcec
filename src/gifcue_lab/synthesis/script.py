"""What a sequence shows, when: pure data, no pixels.

Times are seconds from the sequence's start. Lengths are pixels of the photographs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Codec = Literal["h264", "vp8"]


@dataclass(frozen=True, slots=True)
class Key:
    """Where a cut-out hand is at a time: moved by (x, y), then turned by `angle_deg` about its elbow.

    Between two keys it eases from one to the other: turning points as keys make a swing.
    """

    at_s: float
    x: float = 0.0
    y: float = 0.0
    angle_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """The hand of a photograph, cut out, moved over a frame. `fillers` tell what of the photograph is hand.

    With `cup` it holds one.
    """

    photo: str
    fillers: tuple[str, ...]
    keys: tuple[Key, ...]
    cup: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody else in the frame: a photograph's person, scaled, leaning in from a side.

    `face_share` is the height of the guest's face as a share of the participant's, `reach` how far in the
    guest's middle comes, as a share of the frame's width.
    """

    photo: str
    fillers: tuple[str, ...]
    side: Literal["left", "right"]
    face_share: float
    reach: float


@dataclass(frozen=True, slots=True)
class Light:
    """A change of light: it comes over `ramp_s`, stays, and goes over `ramp_s`.

    `gain`, `gamma` and `tint` (by red, green, blue) are what it is in between; with `hz` it flickers.
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
    """One picture, for a time. The first `fade_s` blend over from the shot before.

    `photo` is shown as it is, or with its hands taken out by the pixels of `fillers`; with `talks` its jaw moves.
    `clip` is shown from `clip_from_s` on instead. With `whole` nothing is cut, whatever the video's `cover` says: it
    is the participant's.
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
    """A label, from `start_s` to `end_s`."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One thing that happens.

    `expect` must be found once each; what starts within `allow` is neither asked for nor false.
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
    """How a sequence is encoded.

    `cover` None leaves bars where a photograph has another shape; else it fills the frame, and `cover` is where
    the part lies that is seen: 0 at the top, 1 at the bottom.
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
    """One participant for a minute or a few. `seed` is that of the noise and of how body and camera sway."""

    name: str
    person: str
    seconds: float
    seed: int
    video: Video
    segments: tuple[Segment, ...] = field(default=())

    @property
    def shots(self) -> list[Shot]:
        """All shots in order; they follow each other without a gap."""
        return [shot for segment in self.segments for shot in segment.shots]

    @property
    def expect(self) -> list[Span]:
        """What must be found."""
        return [span for segment in self.segments for span in segment.expect]

    @property
    def allow(self) -> list[Span]:
        """What may start."""
        return [span for segment in self.segments for span in segment.allow]

    def to_json(self) -> dict[str, Any]:
        """Plain data, as script.json holds it."""
        return asdict(self)
