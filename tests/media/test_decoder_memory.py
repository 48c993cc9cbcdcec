"""What decoders may take together."""

from __future__ import annotations

import random

import pytest

from gifcue.errors import MediaError
from gifcue.media.decoder import Decoder
from gifcue.media.decoder_memory import ORDINARY_BYTES, DecoderBudget, decoder_bytes, pixel_bytes
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from tests.chaos.payloads.video import crowded_references, hidden_references

MIB = 1024 * 1024
SMALL, LARGE = 3 * MIB, 20 * MIB


def test_the_estimate_grows_with_pixels_references_and_depth() -> None:
    ordinary = decoder_bytes(640 * 360, pixel_bytes(1, 8), 1)
    assert ordinary < SMALL
    assert decoder_bytes(640 * 480, pixel_bytes(1, 8), 8) <= ORDINARY_BYTES
    # Measured: 296 MB, and 279 MB with four references.
    assert 296e6 < decoder_bytes(3840 * 2160, pixel_bytes(1, 8), 16) < 330e6
    assert 279e6 < decoder_bytes(3840 * 2160, pixel_bytes(3, 10), 4) < 330e6


def test_large_decoders_get_half_and_leave_the_rest_to_ordinary_ones() -> None:
    budget = DecoderBudget(100 * MIB)
    large = [budget.change(0, LARGE) for _ in range(10)]
    assert large == [True, True] + [False] * 8
    assert budget.available(LARGE) == 10 * MIB
    small = [budget.change(0, SMALL) for _ in range(30)]
    assert small == [True] * 20 + [False] * 10
    assert budget.used_bytes == 100 * MIB
    assert budget.available(SMALL) == 0


def test_ordinary_decoders_may_take_everything() -> None:
    budget = DecoderBudget(100 * MIB)
    assert sum(budget.change(0, SMALL) for _ in range(100)) == 33
    assert not budget.change(0, LARGE)


def test_a_decoder_that_is_refused_keeps_what_it_has() -> None:
    budget = DecoderBudget(100 * MIB)
    assert budget.change(0, SMALL)
    assert not budget.change(SMALL, 200 * MIB)
    assert budget.used_bytes == SMALL
    assert budget.change(SMALL, LARGE)
    assert budget.change(LARGE, 0)
    assert budget.used_bytes == 0


def test_a_decoder_may_always_want_less() -> None:
    budget = DecoderBudget(100 * MIB)
    assert budget.change(0, 50 * MIB)
    assert all(budget.change(0, SMALL) for _ in range(16))
    assert budget.change(50 * MIB, 49 * MIB)


def test_whatever_comes_and_goes_the_sums_are_kept() -> None:
    chance = random.Random(3)
    budget = DecoderBudget(100 * MIB)
    held = [0] * 40
    for _ in range(5000):
        index, wanted = chance.randrange(40), chance.choice([0, MIB, SMALL, 9 * MIB, LARGE, 60 * MIB])
        if budget.change(held[index], wanted):
            held[index] = wanted
        assert budget.used_bytes == sum(held) <= budget.total_bytes
        assert sum(each for each in held if each > ORDINARY_BYTES) <= budget.total_bytes // 2


def test_references_that_the_extradata_does_not_state_are_counted() -> None:
    extradata, units = hidden_references()
    decoder = Decoder(Codec.H264, extradata, 8_294_400, DecoderBudget(100 * MIB))
    with pytest.raises(MediaError) as caught:
        decoder.decode(units[0], 0.0)
    assert caught.value.reason is DropReason.TOO_EXPENSIVE


def test_references_behind_many_parameter_sets_are_counted() -> None:
    decoder = Decoder(Codec.H264, b"", 8_294_400, DecoderBudget(100 * MIB))
    with pytest.raises(MediaError) as caught:
        decoder.decode(crowded_references()[0], 0.0)
    assert caught.value.reason is DropReason.INVALID_DATA
