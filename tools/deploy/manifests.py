"""Writes the Kustomize files of deploy/kubernetes that follow from the Helm chart.

    HELM=build/deploy-tools/bin/helm python -m tools.deploy.manifests          # write them
    HELM=… python -m tools.deploy.manifests --check                            # fail where they differ

The chart is the only source. Kustomizations themselves, and the patches of overlays and components, are written by
hand; tools/deploy/check.py compares what they build with what the chart renders.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping

from ruamel.yaml import YAML

from tools.deploy.helm import template
from tools.locks import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
HEADER = "# Written by `make manifests` from deploy/helm/gifcue. Do not edit.\n"
BASE = ("serviceaccount", "service", "deployment", "poddisruptionbudget", "networkpolicy")
GATEWAY = {
    "gateway.enabled": "true",
    "gateway.parentRefs": '[{"name": "gateway", "namespace": "gateway"}]',
}
MONITORING = {"monitoring.enabled": "true"}
KEDA = {**MONITORING, "autoscaling.by": '"keda"'}
# The folder, the templates of the chart and the values with which they are rendered.
COMPONENTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "autoscaling-prometheus-adapter": (
        "hpa",
        {**MONITORING, "autoscaling.by": '"prometheus-adapter"'},
    ),
    "autoscaling-keda": ("scaledobject", KEDA),
    "monitoring": ("monitoring", MONITORING),
    "gateway": ("gateway", GATEWAY),
}
# Lines that belong to a release of Helm. Kustomize sets the namespace, and a changed ConfigMap gets another name.
_OF_HELM = re.compile(
    r"^ +(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: .*|checksum/settings: .*)\n|^  namespace: gifcue\n",
    re.M,
)
_EMPTY_ANNOTATIONS = re.compile(r"^ +annotations:\n( +#.*\n)*(?= {4}spec:)", re.M)


def templates_of(text: str) -> Iterator[tuple[str, str]]:
    """The documents of a rendering, with the name of the template that each is of."""
    for part in re.split(r"^---\n", text, flags=re.M):
        found = re.match(r"# Source: gifcue/templates/(\w+)\.yaml\n", part)
        if found:
            body = part[found.end() :].strip("\n") + "\n"
            yield found[1], _EMPTY_ANNOTATIONS.sub("", _OF_HELM.sub("", body))


def files() -> dict[str, str]:
    """What each file has to hold, by its path below deploy/kubernetes."""
    written: dict[str, str] = {}
    rendered = list(templates_of(template()))
    for name in BASE:
        documents = [text for template_name, text in rendered if template_name == name]
        written[f"base/{name}.yaml"] = HEADER + "---\n".join(documents)
    (settings,) = [text for name, text in rendered if name == "configmap"]
    data = YAML(typ="safe").load(settings)["data"]
    written["base/gifcue.env"] = HEADER + "".join(f"{name}={value}\n" for name, value in data.items())
    for folder, (name, values) in COMPONENTS.items():
        documents = [text for template_name, text in templates_of(template(values)) if template_name == name]
        written[f"components/{folder}/{name}.yaml"] = HEADER + "---\n".join(documents)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    options = parser.parse_args()
    differing = []
    for path, text in files().items():
        file = KUBERNETES / path
        if options.check:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                differing.append(path)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if differing:
        sys.exit(f"{', '.join(differing)}: expected what the chart renders, run 'make manifests'")


if __name__ == "__main__":
    main()
