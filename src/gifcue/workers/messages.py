"""What the front and one kind of worker say to each other, as msgpack that is checked against types.

A decode worker parses bytes of strangers. Whoever has taken one over can send the front any bytes, so reading a message
must never run code of the sender's choice, and nothing of a message is used before its types and ranges are checked.
msgspec checks what concerns a message alone: its type, its ranges, the length of texts and lists. Whether a message
fits what the worker was sent is checked by the pool that owns the worker; it raises `InvalidMessage`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

# Longest text in a message to the front, in characters. Senders cut longer ones with `bounded`.
MAX_TEXT: Final = 1000
# Longest message to the front, in bytes, where the kind of worker sets no other limit.
MAX_TO_FRONT_BYTES: Final = 64 * 1024

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
# Neither infinite nor NaN: a comparison with NaN is false, which msgspec takes as out of range.
Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]


class InvalidMessage(ValueError):
    """A worker sent what a sound worker never sends. Its process is ended, and counts as lost."""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The base of messages. Each needs a `tag` of its own, a number, within those that may come the same way;
    `frozen` is repeated for the type checker.
    """


class Crash(Message, frozen=True):
    """Why a child ends; `hopeless` where a restart would fail in the same way."""

    what: Text
    hopeless: bool


@dataclass(frozen=True, slots=True)
class MessageTypes:
    """The types of the messages of one kind of worker: a type, or a union of subclasses of `Message`.

    Attributes:
        to_worker: what the front sends.
        to_front: what the worker sends.
        ready: what the worker reports with `BlockingChannel.ready`.
        max_to_front_bytes: the longest message that the front accepts.
    """

    to_worker: Any
    to_front: Any
    ready: Any = None
    max_to_front_bytes: int = MAX_TO_FRONT_BYTES


def bounded(text: str) -> str:
    """A text as it may be sent: cut at `MAX_TEXT` characters, without code points that UTF-8 cannot express."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()
