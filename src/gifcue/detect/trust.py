"""Which model may be opened: the one that comes with gifcue, or one whose digest the operator has set.

A model is checked before anything of it is parsed. Its digest is that of a list of its files, in the format of
`sha256sum`:

    LiteRT       label_map.pbtxt and metadata.json. The metadata holds the digest of each file of weights, which is
                 compared when that file is read.
    SavedModel   every file of the folder, sorted by path. TensorFlow opens the files by itself afterwards, so only
                 those who are trusted may have write access to the folder.

The digest of the shipped model is a constant of the package. Metadata alone cannot vouch for weights, because whoever
can replace the weights can replace the metadata.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from gifcue.detect.shipped_model import SHIPPED_SHA256
from gifcue.errors import ModelError

# Stands for a digest where a model is to be opened whatever it is.
UNCHECKED = "unchecked"
# Bounds of what is read before it has been checked.
MAX_DESCRIPTION_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = 1 << 30
MAX_FILES = 10_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20


def is_digest_setting(value: str) -> bool:
    """Whether `model_sha256` may have this value: the digits of a SHA-256, or `UNCHECKED`."""
    return value == UNCHECKED or _DIGEST.fullmatch(value) is not None


def description_digest(files: Mapping[str, bytes]) -> str:
    """The digest of a LiteRT model, from the contents of its metadata and label map by name."""
    return _list_digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def folder_digest(folder: Path) -> str:
    """The digest of a SavedModel's folder.

    Raises:
        ModelError: a file cannot be read, the folder holds something that is no file, or more than `MAX_FILES` files.
    """
    digests: dict[str, str] = {}
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            for name in folders:
                # A walk does not follow links, but TensorFlow does.
                if Path(place, name).is_symlink():
                    raise ModelError(
                        f"{folder}: expected folders and files, got the link {Path(place, name)}"
                    )
            for name in names:
                path = Path(place, name)
                if not path.is_file():
                    raise ModelError(f"{folder}: expected folders and files, got {path}")
                if len(digests) == MAX_FILES:
                    raise ModelError(f"{folder}: expected a model of at most {MAX_FILES} files, got more")
                digests[path.relative_to(folder).as_posix()] = _file_digest(path)
    except OSError as error:
        raise ModelError(f"{folder}: expected a readable SavedModel, got {error}") from error
    return _list_digest(digests)


def check_litert(folder: Path, actual: str, expected: str | None) -> None:
    """Checks the digest of a LiteRT model. `expected` is the setting `model_sha256`; None: the shipped model.

    Raises:
        ModelError: it is another model.
    """
    if expected == UNCHECKED or actual == (expected or SHIPPED_SHA256):
        return
    if expected is None:
        raise ModelError(
            f"{folder}: expected the model of this version of gifcue, sha256 {SHIPPED_SHA256}, got sha256 {actual}; a "
            "model of your own is served if detect.model_sha256 is its sha256 (docs/supply-chain.md)"
        )
    raise ModelError(f"{folder}: expected sha256 {expected} as set in detect.model_sha256, got {actual}")


def check_saved_model(folder: Path, expected: str | None) -> str:
    """Checks a SavedModel's folder, before TensorFlow opens it. Returns its digest.

    Raises:
        ModelError: it cannot be read, it is another model, or no digest is set.
    """
    actual = folder_digest(folder)
    if expected in (UNCHECKED, actual):
        return actual
    if expected is None:
        raise ModelError(
            f"{folder}: expected detect.model_sha256 to name the SavedModel that may be opened, got no such setting; a "
            "SavedModel is a program, which could do what the detector worker may do, so gifcue opens none unasked. "
            f"If you trust where it comes from, set detect.model_sha256 to its sha256, {actual} (docs/supply-chain.md)"
        )
    raise ModelError(f"{folder}: expected sha256 {expected} as set in detect.model_sha256, got {actual}")


def read_at_most(path: Path, limit: int) -> bytes:
    """The contents of a file.

    Raises:
        OSError: it cannot be read.
        ModelError: it is longer than `limit` bytes.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{path}: expected at most {limit} bytes, got more")
    return content


def _list_digest(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests, key=os.fsencode))
    return hashlib.sha256(os.fsencode(lines)).hexdigest()


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _raise(error: OSError) -> None:
    raise error
