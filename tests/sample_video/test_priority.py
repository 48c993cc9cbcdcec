"""Encoders leave the priority of the calling thread as it was."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gifcue.protocol.codecs import Codec
from gifcue.sample_video import clips

FRAMES = [np.zeros((64, 64, 3), np.uint8)] * 3


def test_the_encoder_of_av1_leaves_the_priority_as_it_was(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    clips.write(FRAMES, tmp_path / "a.webm", Codec.AV1)
    clips.encode(FRAMES, Codec.AV1)
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
