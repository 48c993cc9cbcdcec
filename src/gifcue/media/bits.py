"""Reads fields of bits out of a header of H.264 or H.265."""

from __future__ import annotations

# Sequence parameter sets with scaling lists and user information take some hundred bytes.
MAX_HEADER_BYTES = 4096
# Leading zeros of an Exp-Golomb code: its value fits 32 bits.
_MAX_ZEROS = 32


class BitReader:
    """Reads the payload of a NAL unit, without its emulation prevention bytes, from its first bit on.

    Every method raises ValueError where the unit is too short, or a code too long.
    """

    def __init__(self, nal: bytes) -> None:
        """Of a longer unit, the first `MAX_HEADER_BYTES` are read."""
        rbsp = bytes(nal[:MAX_HEADER_BYTES]).replace(b"\0\0\x03", b"\0\0")
        self._value = int.from_bytes(rbsp, "big")
        self._left = 8 * len(rbsp)

    def u(self, bits: int) -> int:
        """An unsigned number of so many bits."""
        if bits > self._left:
            raise ValueError(f"expected {bits} more bits, got {self._left}")
        self._left -= bits
        return (self._value >> self._left) & ((1 << bits) - 1)

    def skip(self, bits: int) -> None:
        """Skips so many bits."""
        self.u(bits)

    def flag(self) -> bool:
        """One bit."""
        return bool(self.u(1))

    def ue(self) -> int:
        """An unsigned Exp-Golomb code (ITU-T H.264, 9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_ZEROS:
                raise ValueError(f"expected a code of at most {_MAX_ZEROS} leading zeros, got more")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
