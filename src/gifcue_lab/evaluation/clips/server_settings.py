"""The settings of a server that is started for an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gifcue.detect.trust import UNCHECKED
from gifcue.server.config import Settings, load_settings


def evaluation_settings(
    config: Path | None,
    model_dir: Path | None,
    backend: str | None,
    model_sha256: str | None,
    changes: dict[str, Any],
) -> Settings:
    """Those of the file `config` and the environment, without listeners and delivery. The analysis rate is constant.

    `changes` are laid over all of them. The other arguments are those of `gifcue_lab.evaluation.clips.evaluate`.

    Raises:
        ConfigError: a setting is wrong.
    """
    detect: dict[str, Any] = {}
    if model_dir is not None:
        detect["model_dir"] = model_dir
    if backend is not None:
        detect["backend"] = backend
    if model_sha256 is not None:
        detect["model_sha256"] = model_sha256
    settings = load_settings(
        config,
        {
            "server": {
                "listen": "127.0.0.1:0",
                "http_listen": "",
                "operator_listen": "",
                "operator_http_listen": "",
                "tls_certificate": None,
                "tls_key": None,
                "tls_client_ca": None,
            },
            "access": {"keys": None},
            "log": {"level": "warning"},
            "detect": detect,
            # An evaluation must not show GIFs in a real meeting.
            "delivery": {"webhook": None, "eyeson": None},
            **changes,
        },
    )
    settings = settings.model_copy(update={"media": settings.media.with_constant_rate()})
    if model_dir is None or model_sha256 is not None or settings.detect.backend != "litert":
        return settings
    # Whoever evaluates a folder has named it, and weights of LiteRT are data. A SavedModel is a program.
    detected = settings.detect.model_copy(update={"model_sha256": UNCHECKED})
    return settings.model_copy(update={"detect": detected})
