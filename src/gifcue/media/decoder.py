"""One participant's decoder: access units in, FFmpeg's frames out, and a MediaError for everything else.

        ┌──────── keyframe ────────┐
        ▼                          │
    DECODING ──damage, error──► AWAITING      (every new decoder of a codec with inter frames begins here)

A decoder that missed a unit continues without an error and shows wrong pictures. So after any fault only a payload is
decoded whose own bytes say that it is a keyframe; the sender's flag does not count.
"""

from __future__ import annotations

import re
import sys
from typing import Any, NamedTuple

import av
import av.error
import av.logging

from gifcue.errors import MediaError
from gifcue.media.codecs import FFMPEG_DECODERS, brings_parameter_sets, is_keyframe, nal_length_size
from gifcue.media.decoder_memory import REFERENCES, DecoderBudget, decoder_bytes, pixel_bytes
from gifcue.media.guard import guarded
from gifcue.media.parameter_sets import MAX_REFERENCES, shapes_in, shapes_of_extradata
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason

# Units whose times are kept: more than the pictures that any codec holds back (16) and those lost inside a decoder.
TIMES_KEPT = 64

# FFmpeg's and dav1d's messages about a picture over `max_pixels`. Nothing else distinguishes it from damage: the error
# is InvalidDataError, ValueError, MemoryError or OverflowError, by codec.
_SIZE_REFUSED = re.compile(r"(\d+)x(\d+) (?:exceeds|is invalid)")

# Everything that PyAV raises for a damaged or malicious bitstream. av.error.EOFError is a builtin EOFError, too: where
# a sender causes it, its own decoder ends and not the worker.
_DECODE_ERRORS = (
    av.error.FFmpegError,
    av.error.EOFError,
    ValueError,
    MemoryError,
    OverflowError,
    NotImplementedError,
)


class DecodedFrame(NamedTuple):
    """A picture as FFmpeg holds it, and its own time in seconds."""

    frame: Any
    pts_s: float


def limit_ffmpeg_log() -> None:
    """Keeps FFmpeg's warnings off stderr, for the whole process: a damaged stream would flood it."""
    av.logging.set_level(av.logging.ERROR)
    # Repeated messages are needed: only the message distinguishes a picture that is too large from a damaged one.
    av.logging.set_skip_repeated(False)


class Decoder:
    """Not thread-safe. Raises MediaError for whatever is wrong with the data, and stays usable."""

    def __init__(
        self, codec: Codec, extradata: bytes, max_pixels: int, budget: DecoderBudget | None = None
    ) -> None:
        """`budget` is shared with other decoders; None sets no limit. Call `close` to give its share back."""
        self.codec = codec
        self._extradata = extradata
        self._max_pixels = max_pixels
        self._budget = budget or DecoderBudget(sys.maxsize)
        # The estimate that the budget has admitted, and what the picture looked like that it was last checked against.
        self._held_bytes = 0
        self._shape: tuple[int, int, str] | None = None
        self._has_sets = codec in (Codec.H264, Codec.H265)
        self._length_size = nal_length_size(codec, extradata)
        self._context: Any = None
        self._awaiting = not codec.is_intra_only
        # FFmpeg carries whole numbers of limited size from packets to frames. It gets the units' numbers, so that any
        # time of the sender's clock is kept exactly.
        self._times: dict[int, float] = {}
        self._units = 0
        limit_ffmpeg_log()

    @property
    def is_awaiting_keyframe(self) -> bool:
        """True while nothing but a keyframe is decoded."""
        return self._awaiting

    @property
    def held_bytes(self) -> int:
        """The memory that this decoder takes, by estimate."""
        return self._held_bytes

    def close(self) -> None:
        """Gives up what was decoded and the share of the budget. The next unit must be a keyframe."""
        self._reset()
        self._awaiting = not self.codec.is_intra_only

    def decode(self, payload: bytes, pts_s: float) -> DecodedFrame | None:
        """Decodes one access unit. None where it shows nothing yet (reordering, a unit of parameter sets).

        Raises:
            MediaError: EMPTY_PAYLOAD, which changes nothing; AWAITING_KEYFRAME, INVALID_DATA, TOO_EXPENSIVE or
                RESOLUTION_TOO_LARGE, after which a codec with inter frames awaits a keyframe.
        """
        if not payload:
            # A packet without bytes would put FFmpeg's decoder into draining mode for good.
            raise MediaError(DropReason.EMPTY_PAYLOAD, "expected an encoded access unit, got 0 bytes")
        if self._awaiting:
            if not is_keyframe(self.codec, payload):
                message = "expected a keyframe, got a unit that builds on others"
                raise MediaError(DropReason.AWAITING_KEYFRAME, message)
            if brings_parameter_sets(self.codec, payload):
                # Damaged parameter sets may have made FFmpeg hold pictures back, and a flush does not undo that.
                self._reset()
            elif self._context is not None:
                # A flush keeps the parameter sets, which some senders send only once.
                self._context.flush_buffers()
        payload = self._guarded(payload)
        if self._has_sets:
            self._admit_sets(payload)
        frames = self._frames(payload, pts_s)
        if not frames and self.codec is Codec.AV1:
            # A temporal unit always shows a picture; dav1d skips what it does not know without an error.
            message = "expected an av1 temporal unit, got bytes that show no picture"
            raise self._fault(DropReason.INVALID_DATA, message)
        self._awaiting = False
        if not frames:
            return None
        frame = frames[-1]
        if frame.is_corrupt:
            message = f"expected sound {self.codec} data, got a damaged picture"
            raise self._fault(DropReason.INVALID_DATA, message)
        if frame.width * frame.height > self._max_pixels:
            raise self._too_large(frame.width, frame.height)
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape:
            self._admit_picture(frame)
            self._shape = shape
        return DecodedFrame(frame, self._times.get(frame.pts, pts_s))

    def _admit_sets(self, payload: bytes) -> None:
        """Asks for the memory that the parameter sets of a unit allow, before FFmpeg sees them. Any set that was ever
        sent may be used by a later picture, so what was asked for only grows until the decoder is opened anew.
        """
        try:
            shapes = shapes_in(self.codec, payload, self._length_size)
            if self._context is None and self._extradata:
                shapes += shapes_of_extradata(self.codec, self._extradata)
        except MediaError as error:
            raise self._fault(error.reason, str(error)) from None
        for shape in shapes:
            pixels = shape.width * shape.height
            # FFmpeg refuses a picture that is too large, and says so better.
            if pixels <= self._max_pixels:
                each = pixel_bytes(shape.chroma, shape.bit_depth)
                wanted = decoder_bytes(pixels, each, shape.pictures)
                if wanted > self._held_bytes:
                    self._hold(wanted, f"{shape.width}x{shape.height} with {shape.pictures} kept pictures")

    def _admit_picture(self, frame: Any) -> None:
        """Asks for the memory of the first picture of its kind: the other codecs state no number of references, and
        what the parameter sets stated is checked.
        """
        pictures = REFERENCES.get(self.codec, MAX_REFERENCES)
        each = frame.format.padded_bits_per_pixel / 8.0
        pixels = frame.width * frame.height
        if self._has_sets and self._held_bytes and decoder_bytes(pixels, each, 0) <= self._held_bytes:
            return
        # A picture that no parameter set stated: the sets that FFmpeg found may allow any number of references.
        self._hold(decoder_bytes(pixels, each, pictures), f"{frame.width}x{frame.height} {frame.format.name}")

    def _hold(self, wanted: int, what: str) -> None:
        if not self._budget.change(self._held_bytes, wanted):
            available = self._budget.available(wanted)
            self._reset()
            message = (
                f"expected video that takes at most {available // 1_000_000} MB to decode, "
                f"got {what}: about {wanted // 1_000_000} MB"
            )
            raise self._fault(DropReason.TOO_EXPENSIVE, message)
        self._held_bytes = wanted

    def _reset(self) -> None:
        self._context = None
        self._shape = None
        self._budget.change(self._held_bytes, 0)
        self._held_bytes = 0

    def _guarded(self, payload: bytes) -> bytes:
        try:
            return guarded(self.codec, payload)
        except MediaError as error:
            # As after any other fault: what follows builds on a picture that was not decoded.
            raise self._fault(error.reason, str(error)) from None

    def _frames(self, payload: bytes, pts_s: float) -> list[Any]:
        packet = av.Packet(payload)
        packet.pts = packet.dts = self._units = self._units + 1
        self._times[self._units] = pts_s
        self._times.pop(self._units - TIMES_KEPT, None)
        with av.logging.Capture(local=True) as log:
            try:
                if self._context is None or self.codec is Codec.PNG:
                    # FFmpeg's PNG decoder, used again, blends the picture with the one before.
                    self._context = self._open()
                return list(self._context.decode(packet))
            except _DECODE_ERRORS as error:
                fault = self._describe(error, log)
                raise fault from error

    def _open(self) -> Any:
        context: Any = av.CodecContext.create(FFMPEG_DECODERS[self.codec], "r")
        # Decodes in the caller's thread: PyAV's default takes all cores, and frame threads hang at teardown.
        context.thread_count = 1
        context.thread_type = "NONE"
        # explode: damage is an error; without it, H.264 and JPEG decoders would conceal it.
        # docs/decisions/0021-damaged-units.md
        context.options = {"max_pixels": str(self._max_pixels), "err_detect": "crccheck+explode"}
        if self.codec is Codec.AV1:
            # Every picture at once, none held back.
            context.options = {**context.options, "max_frame_delay": "1"}
        if self._extradata:
            context.extradata = self._extradata
        context.open(strict=False)
        return context

    def _describe(self, error: BaseException, log: list[tuple[int, str, str]]) -> MediaError:
        text = " ".join(message.strip() for _, _, message in log)
        sizes = _SIZE_REFUSED.search(text)
        if sizes is not None and int(sizes[1]) * int(sizes[2]) > self._max_pixels:
            return self._too_large(int(sizes[1]), int(sizes[2]))
        what = _extradata_note(self._extradata if self._context is None else b"")
        detail = text or getattr(error, "strerror", None) or str(error)
        return self._fault(DropReason.INVALID_DATA, f"expected {self.codec} data{what}, got: {detail[:200]}")

    def _too_large(self, width: int, height: int) -> MediaError:
        message = f"expected at most {self._max_pixels} pixels, got {width}x{height}"
        return self._fault(DropReason.RESOLUTION_TOO_LARGE, message)

    def _fault(self, reason: DropReason, message: str) -> MediaError:
        if self.codec.is_intra_only:
            self._context = None
        else:
            self._awaiting = True
        return MediaError(reason, message)


def _extradata_note(extradata: bytes) -> str:
    return f" after {len(extradata)} bytes of extradata" if extradata else ""
