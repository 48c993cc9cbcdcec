"""The environment variables that a child gets: a short list, because the front's own hold secrets.

The settings of a server may come from variables, among them the secret of a webhook, and whoever starts a server may
have put credentials of other programs beside them. A process that parses bytes of strangers gets none of this.
"""

from __future__ import annotations

import os
import site
from collections.abc import Collection

# Where programs and libraries are found, language and time zone, the allocator, and how Python runs.
_NAMES = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DYLD_LIBRARY_PATH",
        "GLIBC_TUNABLES",
        "PYTHONDEVMODE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED",
        "PYTHONHOME",
        "PYTHONMALLOC",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUNBUFFERED",
        "PYTHONUSERBASE",
        "PYTHONUTF8",
        "PYTHONWARNINGS",
    }
)
_PREFIXES = ("LC_", "MALLOC_")
# BLAS and OpenMP start a thread for each core when they are loaded. A worker computes in one, since the pool of workers
# is the parallelism. Landlock also restricts one thread only.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def clean_environment() -> dict[str, str]:
    """What every child gets: some of this process' environment, and one thread for libraries that compute."""
    environment = inherited(_NAMES, _PREFIXES) | _ONE_THREAD
    if site.ENABLE_USER_SITE:
        # Without HOME, which a child does not get, it would not find what was installed for the user alone.
        environment.setdefault("PYTHONUSERBASE", site.getuserbase())
    return environment


def inherited(names: Collection[str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """The variables of this process with one of these names, or whose names begin with one of these prefixes."""
    return {name: value for name, value in os.environ.items() if name in names or name.startswith(prefixes)}
