"""Validates the chart and the manifests of deploy/ with the tools of Kubernetes, KEDA and others. No cluster is needed.

    make check-deploy                                  # or: HELM=… python -m tools.deploy.check FOLDER_OF_THE_TOOLS

Each case of `CASES` is rendered by helm, and built by Kustomize where it has an overlay. Both must give the same
objects, and every object must pass the schema of its kind: kubernetes-validate for those of Kubernetes, in the oldest
and the newest version that the chart is for, and the schemas of the CRDs for the others. checkov must find nothing but
what an annotation explains.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.deploy import manifests
from tools.deploy.helm import CHART, HELM, VALUES_GPU, Refused, template
from tools.deploy.manifests import COMPONENTS, KEDA, KUBERNETES
from tools.locks import ROOT

OLDEST, NEWEST = "1.29", "1.37"
Object = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Values of the chart, and the overlay and components of Kustomize that stand for the same."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    overlay: str = ""
    components: Sequence[str] = ()


GATEWAY_HOSTS = {
    "gateway.httpHostnames": '["gifcue.example.org"]',
    "gateway.grpcHostnames": '["grpc.example.org"]',
}
CASES = (
    Case("default", overlay="cpu"),
    Case("gpu", files=(VALUES_GPU,), overlay="gpu"),
    Case(
        "prometheus-adapter",
        COMPONENTS["autoscaling-prometheus-adapter"][1],
        overlay="cpu",
        components=("monitoring", "autoscaling-prometheus-adapter"),
    ),
    Case(
        "keda",
        COMPONENTS["autoscaling-keda"][1],
        overlay="cpu",
        components=("monitoring", "autoscaling-keda"),
    ),
    Case("whip", {"whip.port": "8189"}, overlay="cpu", components=("whip",)),
    Case("whip at the node's address", {"whip.port": "8189", "whip.hostPort": "true"}),
    Case("whip at addresses of one's own", {"whip.port": "8189", "whip.hostPort": "true",
                                            "settings": '{"whip": {"addresses": ["192.0.2.1"], "max_sessions": 9}}'}),
    Case("keda and gpu", COMPONENTS["autoscaling-keda"][1], files=(VALUES_GPU,)),
    Case("gateway", COMPONENTS["gateway"][1], overlay="cpu", components=("gateway",)),
    Case("gateway with hosts and authority",
         {**COMPONENTS["gateway"][1], **GATEWAY_HOSTS, "gateway.backendCaConfigMap": '"ca"'}),
    Case("behind a mesh", {"insecure": "true", "tls.secretName": '""', "access.keysSecretName": '""',
                           "monitoring.enabled": "true", "gateway.enabled": "true",
                           "gateway.parentRefs": '[{"name": "gateway"}]'}),
    Case("client certificates", {"tls.clientCa": "true", "monitoring.enabled": "true", "access.keysSecretName": '""'}),
    Case("everything else", {
        "image.digest": f'"sha256:{"0" * 64}"',
        "imagePullSecrets": '[{"name": "registry"}]',
        "settings": '{"media": {"max_analysis_fps": 8}, "expert": {"media": {"unit_cpu_ms": 300}}}',
        "secretEnvironment": '"gifcue-webhook"',
        "volumes": '{"rules": {"configMap": {"name": "rules"}}, "gifs": {"persistentVolumeClaim": {"claimName": "a"}},'
                   ' "gestures": {"persistentVolumeClaim": {"claimName": "gestures"}}, "model": {"emptyDir": {}}}',
        "networkPolicy.clients": '[{"podSelector": {"matchLabels": {"app": "mcu"}}}]',
        "networkPolicy.egress": '[{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]',
        "podDisruptionBudget.maxUnavailable": '"10%"',
        "podAnnotations": '{"a": "b"}', "podLabels": '{"c": "d"}', "priorityClassName": '"meetings"',
        "nodeSelector": '{"e": "f"}', "tolerations": '[{"operator": "Exists"}]', "affinity": '{"nodeAffinity": {}}',
        "serviceAccount.annotations": '{"g": "h"}',
    }),
)  # fmt: skip
# Values that must not render, and what the error must name.
REFUSED: Sequence[tuple[Mapping[str, str], str]] = (
    ({"autoscaling.by": '"both"'}, "autoscaling"),
    ({"autoscaling.by": '["keda", "prometheus-adapter"]'}, "autoscaling"),
    ({"autoscaling.by": '"prometheus-adapter"'}, "monitoring"),
    ({"autoscaling.by": '"keda"'}, "monitoring"),
    (
        {**KEDA, "autoscaling.minReplicas": "9", "autoscaling.maxReplicas": "3"},
        "minReplicas",
    ),
    # A tenth of 20 pods with 48 participants each is 96.
    ({**KEDA, "autoscaling.spareParticipants": "96"}, "spareParticipants"),
    ({**KEDA, "autoscaling.maxReplicas": "21"}, "spareParticipants"),
    ({"tls.secretName": '""'}, "tls"),
    ({"access.keysSecretName": '""'}, "keysSecretName"),
    ({"settings": '{"server": {"listen": "0.0.0.0:1"}}'}, "listen"),
    ({"settings": '{"limits": {"max_participants": 5}}'}, "max_participants"),
    ({"settings": '{"delivery": {"webhook": {"secret": "whsec_"}}}'}, "secret"),
    ({"settings": '{"delivery": {"eyeson": {"rooms": {}}}}'}, "rooms"),
    ({"settings": '{"DELIVERY": {}}'}, "DELIVERY"),
    ({"settings": '{"whip": {"listen": "0.0.0.0:8189"}}'}, "listen"),
    ({"whip.port": "80"}, "port"),
    ({"drain.timeoutSeconds": "-1"}, "timeoutSeconds"),
    ({"replica": "3"}, "replica"),
    ({"gateway.enabled": "true"}, "parentRefs"),
)
# What belongs to a release of Helm, or to one build of Kustomize.
_LABELS_OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
_HASH = re.compile(r"^gifcue-[a-z0-9]{10}$")


def fail(what: str) -> None:
    sys.exit(f"FAILED: {what}")


def objects(text: str) -> list[Object]:
    """The objects of some manifests."""
    return [each for each in YAML(typ="safe").load_all(text) if each]


def comparable(text: str) -> dict[str, Object]:
    """The objects by kind and name, without what is Helm's or Kustomize's own."""
    found = {}
    for each in objects(re.sub(r"\bgifcue-[a-z0-9]{10}\b(?=\n)", _without_hash, text)):
        metadata = each["metadata"]
        for name in _LABELS_OF_HELM:
            metadata.get("labels", {}).pop(name, None)
        pod = each.get("spec", {}).get("template", {}).get("metadata", {})
        pod.get("annotations", {}).pop("checksum/settings", None)
        if not pod.get("annotations", True):
            del pod["annotations"]
        found[f"{each['kind']} {metadata['name']}"] = each
    return found


def _without_hash(found: re.Match[str]) -> str:
    return "gifcue" if _HASH.match(found[0]) and any(map(str.isdigit, found[0])) else found[0]


def kustomize(tools: Path, overlay: str, components: Sequence[str] = ()) -> str:
    """What an overlay builds with some components. Raises subprocess.CalledProcessError where it does not build."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        to = os.path.relpath(KUBERNETES, folder)
        lines = ["namespace: gifcue", f"resources: [{to}/overlays/{overlay}]"]
        lines += (
            ["components:", *(f"  - {to}/components/{each}" for each in components)] if components else []
        )
        (Path(folder) / "kustomization.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [str(tools / "bin" / "kubectl"), "kustomize", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout


def check_schemas(tools: Path, rendered: Mapping[str, str]) -> None:
    """kubernetes-validate for the kinds of Kubernetes, the CRDs' schemas for the others."""
    custom = []
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for case, text in rendered.items():
            own = [each for each in objects(text) if not is_custom(each)]
            custom += [each for each in objects(text) if is_custom(each)]
            for number, each in enumerate(own):
                names.append(Path(folder) / f"{case.replace(' ', '-')}-{number}.json")
                names[-1].write_text(json.dumps(each), encoding="utf-8")
        for version in (OLDEST, NEWEST):
            run(tools, "kubernetes-validate", "--strict", "--quiet", "-k", version, *map(str, names))
    command = ["node", str(tools / "crds.mjs")]
    done = subprocess.run(command, input=json.dumps(custom), text=True, capture_output=True, timeout=60)
    if done.returncode or done.stdout.count("\nvalid:") + 1 != len(custom):
        fail(f"schemas of CRDs:\n{done.stdout}{done.stderr}")
    # A check that refuses nothing would pass as well.
    broken = json.dumps(
        [{**each, "spec": {"maxReplicaCount": "many"}} for each in custom if each["kind"] == "ScaledObject"]
    )
    if subprocess.run(command, input=broken, text=True, capture_output=True, timeout=60).returncode == 0:
        fail("schemas of CRDs: expected a broken object to be refused")
    print(f"{len(custom)} custom resources are valid")


def is_custom(each: Object) -> bool:
    """Whether an object's kind is not one of Kubernetes itself."""
    group = each["apiVersion"].partition("/")[0]
    return ("." in group and not group.endswith("k8s.io")) or group == "gateway.networking.k8s.io"


def check_checkov(tools: Path, rendered: Mapping[str, str]) -> None:
    """checkov finds nothing but what an annotation explains."""
    skipped: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for case, text in rendered.items():
            (Path(folder) / f"{case.replace(' ', '-')}.yaml").write_text(text, encoding="utf-8")
        command = [str(tools / "bin" / "checkov"), "-d", folder, "--framework", "kubernetes", "--output", "json",
                   "--skip-download"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        report = json.loads(done.stdout)
    results = report["results"]
    for each in results["failed_checks"]:
        print(f"checkov: {each['check_id']} {each['check_name']}: {each['resource']} of {each['file_path']}")
    for each in results["skipped_checks"]:
        skipped.add(f"{each['check_id']}: {each['check_result'].get('suppress_comment', '')}")
    if results["failed_checks"] or not results["passed_checks"]:
        fail("checkov")
    print(f"checkov: {len(results['passed_checks'])} checks passed; left out, with their reasons:")
    print("\n".join(f"  {each}" for each in sorted(skipped)))


def check_refused() -> None:
    """Values that contradict each other, or that nothing knows, do not render."""
    for values, word in REFUSED:
        try:
            template(values)
        except Refused as error:
            if word not in str(error):
                fail(f"{values}: expected an error about {word}, got {error}")
        else:
            fail(f"{values}: expected to be refused, they render")
    print(f"{len(REFUSED)} sets of values are refused")


def check_both_autoscalers(tools: Path) -> None:
    """The two components for autoscaling do not build together."""
    try:
        kustomize(tools, "cpu", ["autoscaling-keda", "autoscaling-prometheus-adapter"])
    except subprocess.CalledProcessError as error:
        if "remove" not in error.stderr:
            fail(f"both autoscalers: expected an error about their patch, got {error.stderr}")
    else:
        fail("both autoscalers: expected not to build, they do")


def run(tools: Path, program: str, *arguments: str) -> None:
    done = subprocess.run([tools / "bin" / program, *arguments], text=True, capture_output=True, timeout=300)
    if done.returncode:
        fail(f"{program}:\n{done.stdout}{done.stderr}")


def step(what: str, check: Callable[[], None]) -> None:
    check()
    print(f"passed: {what}", flush=True)


def main() -> None:
    tools = Path(sys.argv[1]).resolve()
    done = subprocess.run([HELM, "lint", "--strict", CHART], capture_output=True, text=True, timeout=60)
    if done.returncode:
        fail(f"helm lint:\n{done.stdout}{done.stderr}")
    print(done.stdout.strip())
    sys.argv = [sys.argv[0], "--check"]
    step("Kustomize files are those of the chart", manifests.main)
    rendered = {case.name: template(case.values, case.files) for case in CASES}
    for case in CASES:
        if rendered[case.name] != template(case.values, case.files):
            fail(f"{case.name}: expected the same bytes again")
        if rendered[case.name] != template(case.values, case.files, upgrade=True):
            fail(f"{case.name}: expected an upgrade that changes no value to render the same bytes")
        if case.overlay:
            ours, theirs = (
                comparable(rendered[case.name]),
                comparable(kustomize(tools, case.overlay, case.components)),
            )
            if ours != theirs:
                differing = [
                    name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
                ]
                fail(
                    f"{case.name}: expected Kustomize to build what helm renders, they differ in {differing}"
                )
    print(
        f"passed: {len(CASES)} cases render twice and as an upgrade to the same bytes, and as Kustomize builds them"
    )
    built = {
        f"kustomize {case.name}": kustomize(tools, case.overlay, case.components)
        for case in CASES
        if case.overlay
    }
    both = {**rendered, **built}
    step("values are refused", check_refused)
    step("two autoscalers do not build", lambda: check_both_autoscalers(tools))
    step(
        f"schemas of Kubernetes {OLDEST} and {NEWEST}, and of CRDs",
        lambda: check_schemas(tools, both),
    )
    step("checkov", lambda: check_checkov(tools, both))


if __name__ == "__main__":
    main()
