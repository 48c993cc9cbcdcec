"""Which of several servers a room belongs to: weighted rendezvous hashing.

Every client computes the same order of servers for a room without talking to another client, in any language and
version. When a server comes or goes, only the rooms that it takes over or held change their place.

    order = ranked(room_key("weekly"), [Server("10.0.0.1:50051"), Server("10.0.0.2:50051", weight=2.0)])
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from gifcue.client.servers import Server
from gifcue.client.tokens import Metadata

# Metadata of a call of StreamReactions: the key of its room, for proxies that place rooms.
ROOM_HEADER = "gifcue-room"
_KEY_CHARACTERS = 32
_HASH_BITS = 53  # as many as a double holds exactly, so that every language gets the same number


def room_key(room_id: str) -> str:
    """The first 32 hexadecimal digits of the room's SHA-256; empty for a stream without a room.

    It stands for the room's name wherever others see it, because names of rooms tell who meets, and proxies write
    headers and addresses into their logs. It is no secret: whoever can guess a name can compute its key.
    """
    return hashlib.sha256(room_id.encode()).hexdigest()[:_KEY_CHARACTERS] if room_id else ""


def with_room(metadata: Metadata, room_id: str) -> Metadata:
    """The metadata of a call, with the key of its room. The caller's own key goes before the one that is computed."""
    if not room_id or any(name.lower() == ROOM_HEADER for name, _ in metadata):
        return metadata
    return (*metadata, (ROOM_HEADER, room_key(room_id)))


def ranked(key: str, servers: Iterable[Server]) -> list[Server]:
    """The servers in the order in which this key prefers them. A server's share of all keys follows its weight."""
    return sorted(servers, key=lambda server: (-_score(key, server), server.address))


def _score(key: str, server: Server) -> float:
    digest = hashlib.sha256(f"{key}\n{server.address}".encode()).digest()
    # A uniform number between 0 and 1, neither of which it can be.
    uniform = ((int.from_bytes(digest[:8], "big") >> (64 - _HASH_BITS)) + 0.5) / 2**_HASH_BITS
    # With one exponential variable for each server, the chance to be the greatest is proportional to the weight.
    return -server.weight / math.log(uniform)
