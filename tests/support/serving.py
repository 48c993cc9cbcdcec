"""`python -m tests.support.serving FILE`: a server in a process of its own, with a file of settings and no detector."""

from __future__ import annotations

import sys
from pathlib import Path

from gifcue.server.config import load_settings
from gifcue.server.process import run
from tests.support.colour_detector import TARGET

if __name__ == "__main__":
    sys.exit(run(load_settings(Path(sys.argv[1]), {}), detector_target=TARGET))
