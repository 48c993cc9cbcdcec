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


def clean_environment() -> dict[str, str]:
    """What every child gets of this process' environment."""
    environment = inherited(_NAMES, _PREFIXES)
    if site.ENABLE_USER_SITE:
        # Without HOME, which a child does not get, it would not find what was installed for the user alone.
        environment.setdefault("PYTHONUSERBASE", site.getuserbase())
    return environment


def inherited(names: Collection[str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """The variables of this process with one of these names, or whose names begin with one of these prefixes."""
    return {name: value for name, value in os.environ.items() if name in names or name.startswith(prefixes)}
