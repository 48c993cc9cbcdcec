"""The libraries that wheels bring in binary form, which no package's metadata names: FFmpeg, x264, OpenSSL and others.

auditwheel puts them into a folder `NAME.libs`. The table says what each file is and under which licence. Its versions
were read from the files of the locked versions; a test fails when a wheel brings a file that the table lacks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LGPL_OR_GPL = "LGPL-3.0-or-later OR GPL-2.0-or-later"
_LGPL_3 = "LGPL-3.0-or-later"
_GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"


@dataclass(frozen=True, slots=True)
class Library:
    """A library, by the beginning of its files' names.

    Attributes:
        folder: the wheel's folder, `av.libs` say.
        files: regular expression for the beginning of the names.
        name: the project.
        licence: SPDX expression.
        version: "" where the file does not tell it.
    """

    folder: str
    files: str
    name: str
    licence: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file that belongs to a library."""

    library: Library
    path: Path

    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


_AV = "av.libs"
_OPENCV = "opencv_python_headless.libs"
_NUMPY = "numpy.libs"

LIBRARIES = (
    Library(_AV, r"lib(av(codec|device|filter|format|util)|sw(resample|scale))-", "FFmpeg", _LGPL_3, "8.1.2"),
    Library(_AV, r"libx264-", "x264", "GPL-2.0-or-later"),
    Library(_AV, r"libx265-", "x265", "GPL-2.0-or-later", "4.2+1-e444744"),
    Library(_AV, r"libSvtAv1Enc-", "SVT-AV1", "BSD-3-Clause-Clear", "4.1.0"),
    Library(_AV, r"libdav1d-", "dav1d", "BSD-2-Clause", "1.5.3"),
    Library(_AV, r"libvpx-", "libvpx", "BSD-3-Clause", "1.16.0"),
    Library(_AV, r"libopus-", "opus", "BSD-3-Clause", "1.6.1"),
    Library(_AV, r"libmp3lame-", "LAME", "LGPL-2.0-or-later", "3.100"),
    Library(_AV, r"libopencore-amr(nb|wb)-", "opencore-amr", "Apache-2.0"),
    Library(_AV, r"lib(webp|webpmux|sharpyuv)-", "libwebp", "BSD-3-Clause", "1.6.0"),
    Library(_AV, r"libgnutls-", "GnuTLS", "LGPL-2.1-or-later", "3.8.13"),
    Library(_AV, r"lib(nettle|hogweed)-", "nettle", _LGPL_OR_GPL, "3.10"),
    Library(_AV, r"libgmp-", "GMP", _LGPL_OR_GPL, "6.3.0"),
    Library(_AV, r"libunistring-", "libunistring", _LGPL_OR_GPL, "1.4.2"),
    Library(_AV, r"libasound-", "alsa-lib", "LGPL-2.1-or-later", "1.2.14"),
    Library(_AV, r"libvpl-", "libvpl", "MIT", "2.16"),
    Library(_AV, r"libdrm-", "libdrm", "MIT", "2.4.115"),
    Library(_AV, r"libXau-", "libXau", "MIT-open-group", "1.0.9"),
    Library(_AV, r"libxcb(-shape|-shm|-xfixes)?-", "libxcb", "MIT", "1.13.1"),
    Library(_OPENCV, r"lib(av(codec|format|util)|sw(resample|scale))-", "FFmpeg", "LGPL-2.1-or-later", "8.1.1"),
    Library(_OPENCV, r"lib(crypto|ssl)-", "OpenSSL", "OpenSSL", "1.1.1k"),
    Library(_OPENCV, r"libaom-", "libaom", "BSD-2-Clause", "3.14.1"),
    Library(_OPENCV, r"libavif-", "libavif", "BSD-2-Clause", "1.4.2"),
    Library(_OPENCV, r"libvpx-", "libvpx", "BSD-3-Clause", "1.15.2"),
    Library(_OPENCV, r"libpng16-", "libpng", "libpng-2.0", "1.6.58"),
    Library(_OPENCV, r"libdrm-", "libdrm", "MIT", "2.4.115"),
    Library(_OPENCV, r"libopenblasp-", "OpenBLAS", "BSD-3-Clause", "0.3.15"),
    Library(_OPENCV, r"libgfortran-", "libgfortran", _GCC, "8.5.0"),
    Library(_OPENCV, r"libquadmath-", "libquadmath", "LGPL-2.1-or-later", "8.5.0"),
    Library(_NUMPY, r"libscipy_openblas64_-", "OpenBLAS", "BSD-3-Clause", "0.3.31"),
    Library(_NUMPY, r"libgfortran-", "libgfortran", _GCC),
    Library(_NUMPY, r"libquadmath-", "libquadmath", "LGPL-2.1-or-later"),
)  # fmt: skip


def bundled(site_packages: Path, wheel: str) -> Iterator[BundledFile]:
    """The files that a wheel brought, in the order of their names. `wheel` is the package's name.

    Raises:
        ValueError: the table lacks one of them.
    """
    folder = f"{re.sub(r'[-.]', '_', wheel)}.libs"
    for path in sorted(site_packages.joinpath(folder).glob("*")):
        for library in LIBRARIES:
            if library.folder == folder and re.match(library.files, path.name):
                yield BundledFile(library, path)
                break
        else:
            raise ValueError(f"expected tools/bundled.py to know every file of {folder}, got {path.name}")
