"""Mutations: repeatable, within their size, and structured ones leave a readable structure."""

from __future__ import annotations

import random
import zlib

import pytest

from gifcue.media.codecs import is_keyframe
from gifcue.protocol.codecs import Codec
from tests.fuzz import mutate
from tests.fuzz.corpus import FOLDER, KINDS, corpus, pack, unpack


@pytest.mark.parametrize("sample", corpus(), ids=lambda sample: sample.name)
def test_mutations_are_repeatable_and_bounded(sample):
    first, second = (
        [
            mutate.mutated(sample.codec, unit, sample.units, random.Random(f"{number} {place}"))
            for number in range(40)
            for place, unit in enumerate(sample.units)
        ]
        for _ in range(2)
    )
    assert first == second
    assert all(0 < len(unit) <= mutate.MAX_BYTES for unit in first)
    assert len(set(first)) > len(first) // 2


@pytest.mark.parametrize("sample", corpus(), ids=lambda sample: sample.name)
def test_each_sample_begins_with_a_keyframe(sample):
    assert is_keyframe(sample.codec, sample.units[0])


def test_every_codec_is_in_the_corpus():
    assert {sample.codec for sample in corpus()} == set(Codec)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 150_000
    assert {path.stem for path in FOLDER.glob("*.units")} == {name for name, _, _ in KINDS}


def test_units_survive_a_file():
    units = (b"", b"a", bytes(1000))
    assert unpack(pack(units)) == units


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_file_that_is_cut_short_is_refused(cut: int):
    with pytest.raises(ValueError, match="expected a"):
        unpack(pack([b"abc"])[:cut])


@pytest.mark.parametrize(
    ("codec", "split", "join"),
    [
        (Codec.AV1, mutate.split_obus, mutate.join_obus),
        (Codec.JPEG, mutate.split_jpeg, mutate.join_jpeg),
        (Codec.PNG, mutate.split_png, mutate.join_png),
    ],
)
def test_structures_are_joined_as_they_were(codec: Codec, split, join):
    (unit, *_) = next(sample.units for sample in corpus() if sample.codec is codec)
    assert join(split(unit)) == unit
    assert len(split(unit)) > 1


def test_a_changed_chunk_of_a_png_has_its_checksum():
    (png,) = next(sample.units for sample in corpus() if sample.codec is Codec.PNG)
    parts = mutate.split_png(png)
    changed = mutate.join_png([parts[0], b"tEXthello", *parts[1:]])
    at = changed.index(b"tEXthello")
    assert int.from_bytes(changed[at + 9 : at + 13], "big") == zlib.crc32(b"tEXthello")
