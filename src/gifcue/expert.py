"""Marks the settings that an operator rarely needs.

In Python a part has one settings model. In the file and the environment, a field that is marked stands in the table
`[expert]`: `slots_per_worker` of the media settings is written in `[expert.media]`. A mark on a table covers all of it.
"""

from __future__ import annotations

from typing import Final


class Expert:
    """The type of `EXPERT`."""


# Annotated[float, EXPERT]: pydantic keeps it in the field's metadata.
EXPERT: Final = Expert()
