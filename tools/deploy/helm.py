"""Renders the chart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.locks import ROOT

CHART = ROOT / "deploy" / "helm" / "gifcue"
VALUES_GPU = CHART / "values-gpu.yaml"
NAMESPACE = "gifcue"
HELM = Path(os.environ.get("HELM", "helm"))


class Refused(Exception):
    """helm does not render these values; the message is helm's."""


def template(
    values: Mapping[str, str] | None = None, files: Sequence[Path] = (), *, upgrade: bool = False
) -> str:
    """The manifests of a release named gifcue. `values` are JSON by name, such as {"gpu.devices": "1"}.

    Raises:
        Refused: the chart or its schema refuses the values.
    """
    command = [str(HELM), "template", "gifcue", str(CHART), "--namespace", NAMESPACE]
    for file in files:
        command += ["--values", str(file)]
    for name, value in (values or {}).items():
        command += ["--set-json", f"{name}={value}"]
    if upgrade:
        command.append("--is-upgrade")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Refused(done.stderr.strip())
    return done.stdout
