"""Which CUDA devices this machine or container has, found without loading CUDA.

The front process must not load a GPU's driver: it would hold memory of every device, and the workers come after it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_DEVICE_FILE = re.compile(r"nvidia\d+")


def visible_devices(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """The devices as `CUDA_VISIBLE_DEVICES` names them, in its order; else a number for each device file.

    CUDA numbers what it sees from 0, whatever the numbers of the files are: a container with one of eight devices may
    have `/dev/nvidia5` alone.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(device for part in named.split(",") if (device := part.strip()) not in ("", "-1"))
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return ()
    return tuple(map(str, range(sum(_DEVICE_FILE.fullmatch(name) is not None for name in names))))
