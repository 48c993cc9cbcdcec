"""The part of STUN (RFC 8489) that an ICE-lite end needs: it reads connectivity checks and answers them.

The format itself is read and written by aioice.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from aioice import stun

# A check takes about 100 bytes. Nothing that is larger is read.
MAX_CHECK_BYTES = 576
_COOKIE = struct.pack("!I", stun.COOKIE)


@dataclass(frozen=True, slots=True)
class Check:
    """A connectivity check. `to` and `by` are the user names of the end that it is sent to and of the one that sends
    it. `nominates`: the peer chose this path.
    """

    to: str
    by: str
    nominates: bool
    message: stun.Message

    def is_signed_with(self, password: str) -> bool:
        """Whether the sender knows the password of the end that it is sent to."""
        return self.message.check_message_integrity(password.encode())


def is_stun(datagram: bytes) -> bool:
    """Whether a datagram is to be read as STUN, and not as DTLS or media (RFC 7983)."""
    return datagram[:1] < b"\x04" and datagram[4:8] == _COOKIE


def read_check(datagram: bytes) -> Check | None:
    """The connectivity check; None where it is none."""
    if len(datagram) > MAX_CHECK_BYTES:
        return None
    try:
        message = stun.parse_message(datagram)
    except (ValueError, IndexError, struct.error):
        return None  # all that aioice raises for what is no STUN
    name = message.attributes.get("USERNAME")
    is_request = message.message_class == stun.Class.REQUEST and message.message_method == stun.Method.BINDING
    if not is_request or not isinstance(name, str) or "MESSAGE-INTEGRITY" not in message.attributes:
        return None
    to, colon, by = name.partition(":")
    return Check(to, by, "USE-CANDIDATE" in message.attributes, message) if colon else None


def answer_to(check: Check, sender: tuple[str, int], password: str) -> bytes:
    """The answer that the check succeeds, signed. `sender` is the address that the check came from."""
    answer = stun.Message(
        message_method=stun.Method.BINDING,
        message_class=stun.Class.RESPONSE,
        transaction_id=check.message.transaction_id,
        attributes={"XOR-MAPPED-ADDRESS": (plain_address(sender[0]), sender[1])},
    )
    answer.add_message_integrity(password.encode())
    return bytes(answer)


def plain_address(host: str) -> str:
    """An address as it is known outside: a socket of IPv6 shows IPv4 as `::ffff:192.0.2.1`, and adds the interface."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
