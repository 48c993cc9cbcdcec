"""Whose reactions count."""

from __future__ import annotations

import enum


class SubjectPolicy(enum.StrEnum):
    """Whose reactions count where several people share a camera. The wire's names are `SUBJECT_POLICY_<NAME>`."""

    LARGEST = "largest"  # those of the largest face
    CENTRE = "centre"  # those of the face nearest to the centre of the picture
    ALL = "all"  # those of every face
