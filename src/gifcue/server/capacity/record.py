"""A measured capacity and the file that keeps it.

A figure holds for what it was measured on: processor, GPUs, the cores that the process may use, the model, the version
of gifcue, and the settings of decoding and detection. All of it together is the key under which the file has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from gifcue import __version__
from gifcue.detect.metadata import read_metadata
from gifcue.errors import GifcueError
from gifcue.server.config import Settings
from gifcue.workers.cores import usable_cores

log = structlog.get_logger()

# Figures that a file keeps, those measured last: a file that many kinds of machines share has one for each.
_KEPT = 64
_MAX_BYTES = 1 << 18
_CPUINFO = Path("/proc/cpuinfo")
# The driver has a folder for each GPU here.
_NVIDIA = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True)
class MeasuredCapacity:
    """So many participants were carried, of pictures `width` x `height` at `fps`, with this 95th percentile of latency.
    `measured_at` is in seconds since 1970.
    """

    participants: int
    p95_ms: float
    width: int
    height: int
    fps: float
    cores: float
    took_s: float
    measured_at: float
    why_limited: str = ""


def default_path() -> Path:
    """capacity.json in the cache folder: systemd's CACHE_DIRECTORY, XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if own:
        return Path(own) / "capacity.json"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "gifcue" / "capacity.json"


def path_of(settings: Settings) -> Path:
    """The file of a server with these settings."""
    return settings.limits.capacity_file or default_path()


def about(settings: Settings) -> dict[str, Any]:
    """What a figure holds for, in words."""
    parts = {name: getattr(settings, name).model_dump(mode="json") for name in ("media", "detect", "stills")}
    # Another folder with the same model is no other machine. The digest stands for what is in it.
    for name in ("model_dir", "model_sha256", "gestures_dir"):
        parts["detect"].pop(name, None)
    devices = settings.detect.cuda_devices
    # Numbers and UUIDs differ between machines of one kind.
    parts["detect"]["cuda_devices"] = len(devices)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return {
        "version": __version__,
        "machine": _machine(),
        "gpus": _gpus() if devices else [],
        "cores": round(usable_cores(), 2),
        "model_sha256": _model_digest(settings),
        "settings_sha256": digest,
    }


def key_of(what: dict[str, Any]) -> str:
    """The key in the file for what `about` says."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def read(path: Path, key: str) -> MeasuredCapacity | None:
    """The figure in a file; None where it has none that can be read."""
    entry = _entries(path).get(key)
    try:
        return MeasuredCapacity(**entry["capacity"]) if entry else None
    except (TypeError, KeyError) as error:
        log.warning("a measured capacity cannot be read", file=str(path), error=type(error).__name__)
        return None


def write(path: Path, what: dict[str, Any], capacity: MeasuredCapacity) -> None:
    """Adds a figure to a file, and makes the file where there is none.

    Raises:
        OSError: the file cannot be written.
    """
    entries = _entries(path)
    entries.pop(key_of(what), None)
    entries[key_of(what)] = {"about": what, "capacity": asdict(capacity)}
    kept = dict(list(entries.items())[-_KEPT:])
    path.parent.mkdir(parents=True, exist_ok=True)
    # Replaced as a whole, so that a server that starts meanwhile reads the one or the other.
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _entries(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise ValueError
        return entries
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        # It is measured again, so that a damaged file costs time and nothing else.
        log.warning(
            "the file of measured capacities cannot be read", file=str(path), error=type(error).__name__
        )
        return {}


def _machine() -> str:
    """The processor, as the system names it. On ARM, which has numbers for names, those of each kind of core."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    if name := re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE):
        return name[1].strip()
    kinds = re.findall(r"^CPU implementer\s*: *(\S+)$(?:\n.+)*?\nCPU part\s*: *(\S+)$", text, re.MULTILINE)
    return " ".join((platform.machine(), *sorted({"/".join(kind) for kind in kinds})))


def _gpus() -> list[str]:
    """The models of the machine's NVIDIA GPUs, as the driver names them."""
    models = []
    for path in _NVIDIA.glob("*/information"):
        with contextlib.suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
            models += re.findall(r"^Model:\s*(.+?)\s*$", text, re.MULTILINE)
    return sorted(models)


def _model_digest(settings: Settings) -> str:
    detect = settings.detect
    if detect.backend != "savedmodel":
        try:
            metadata = read_metadata(
                detect.model_dir, detect.backend, detect.precision, sha256=detect.model_sha256
            )
            return metadata.info.sha256
        except GifcueError:
            pass  # the server says what is wrong when it starts the detectors
    return detect.model_sha256 or str(detect.model_dir)
