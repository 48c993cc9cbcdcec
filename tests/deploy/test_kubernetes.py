"""The chart, the Kustomize files and the image fit the code. `make check-deploy` validates them with real tools."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr
from ruamel.yaml import YAML

from gifcue import __version__
from gifcue.access.watch import KeysWatcher
from gifcue.cli.status import LIVENESS_SERVICE as PROBED_SERVICE
from gifcue.server.config import Settings, load_settings
from gifcue.server.health import LIVENESS_SERVICE
from gifcue.server.stopping import STOP_GRACE_S
from tools.saved_model import with_model

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CHART = DEPLOY / "helm" / "gifcue"
MIB = 1024 * 1024
JOB = re.compile(r'\bjob="(\w+)"')
YAMLS = [*sorted(KUBERNETES.rglob("*.yaml")), *sorted(CHART.glob("*.yaml"))]


def read(path: Path) -> list[Any]:
    return [each for each in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if each]


def variables(*extra: str) -> dict[str, str]:
    lines = (KUBERNETES / "base" / "gifcue.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in [*lines, *extra] if not line.startswith("#"))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a pod: those of the image and, above them, the manifests' variables."""
    for name, value in variables().items():
        monkeypatch.setenv(name, value)
    return load_settings(DEPLOY / "gifcue.toml")


@pytest.fixture(scope="module")
def pod() -> Any:
    (deployment,) = read(KUBERNETES / "base" / "deployment.yaml")
    return deployment["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (container,) = pod["containers"]
    return container


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_each_file_is_yaml_with_something_in_it(path: Path) -> None:
    assert read(path)


def test_the_ports_are_those_of_the_server(settings: Settings, container: Any) -> None:
    server = settings.server
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    addresses = {
        "grpc": server.listen,
        "http": server.http_listen,
        "operator-http": server.operator_http_listen,
    }
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == addresses
    named = {
        port["targetPort"]
        for each in read(KUBERNETES / "base" / "service.yaml")
        for port in each["spec"]["ports"]
    }
    (policy,) = read(KUBERNETES / "base" / "networkpolicy.yaml")
    allowed = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert named == allowed == ports.keys()


def test_a_pod_has_the_time_to_drain(settings: Settings, pod: Any) -> None:
    assert settings.server.lame_duck_s > 0.0
    assert pod["terminationGracePeriodSeconds"] >= settings.server.stop_s + STOP_GRACE_S + 5.0
    readiness = pod["containers"][0]["readinessProbe"]
    # By then every load balancer that follows the probe knows that the pod drains.
    assert settings.server.lame_duck_s > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_a_pod_has_the_time_to_start(settings: Settings, container: Any) -> None:
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings.supervision.start_timeout_s


def test_the_memory_of_a_pod_covers_what_the_settings_bound(settings: Settings, container: Any) -> None:
    cores = int(container["resources"]["limits"]["cpu"])
    assert container["resources"]["requests"] == container["resources"]["limits"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * MIB
    workers = max(1, cores // 2)
    bounded = settings.limits.max_server_buffered_bytes + settings.stills.max_waiting_bytes
    bounded += workers * settings.media.decoder_memory_mb * 1_000_000
    bounded += workers * settings.media.slots_per_worker * 700_000
    assert limit > bounded + 256 * MIB  # the processes themselves: docs/performance.md


def test_the_probes_ask_what_exists() -> None:
    template = (CHART / "templates" / "deployment.yaml").read_text(encoding="utf-8")
    assert PROBED_SERVICE == LIVENESS_SERVICE
    assert set(re.findall(r'"(/\w+)"', template)) == {"/readyz", "/healthz"}


def test_the_probes_ask_a_port_that_no_client_can_fill(container: Any) -> None:
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in probes.values()} == {"operator-http"}


def test_both_autoscalers_follow_one_expression() -> None:
    components = KUBERNETES / "components"
    (scaled,) = read(components / "autoscaling-keda" / "scaledobject.yaml")
    (horizontal,) = read(components / "autoscaling-prometheus-adapter" / "hpa.yaml")
    kinds = {each["kind"]: each for each in read(components / "monitoring" / "monitoring.yaml")}
    rule = kinds["PrometheusRule"]["spec"]["groups"][0]["rules"][0]
    (adapter,) = read(KUBERNETES / "prometheus-adapter.yaml")[0]["rules"]["external"]
    # tests/deploy/test_prometheus.py asks a real Prometheus for it.
    assert scaled["spec"]["triggers"][0]["metadata"]["query"] == rule["expr"]
    assert rule["record"] in adapter["seriesQuery"]
    (metric,) = horizontal["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == adapter["name"]["as"]
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "1"}
    assert scaled["spec"]["triggers"][0]["metadata"]["threshold"] == "1"


@pytest.mark.parametrize("files", [["values.yaml"], ["values.yaml", "values-gpu.yaml"]], ids=["cpu", "gpu"])
def test_the_spare_makes_an_autoscaler_add_the_last_pod(files: list[str]) -> None:
    """It takes a need within a tenth of what it has for no change."""
    autoscaling: dict[str, Any] = {}
    for each in files:
        (values,) = read(CHART / each)
        autoscaling |= values["autoscaling"]
        participants = values["capacity"]["participants"]
    before_the_last = autoscaling["maxReplicas"] - 1
    needed = (before_the_last * participants + autoscaling["spareParticipants"]) / participants
    assert needed / before_the_last > 1.1


def test_the_alerts_are_those_of_prometheus_and_find_the_pods() -> None:
    monitor, rules = (
        next(
            each
            for each in read(KUBERNETES / "components/monitoring/monitoring.yaml")
            if each["kind"] == kind
        )
        for kind in ("ServiceMonitor", "PrometheusRule")
    )
    (alerts,) = read(DEPLOY / "prometheus" / "alerts.yml")
    assert rules["spec"]["groups"][1:] == alerts["groups"]
    # The operator sets the label `job` to what the Service has under `jobLabel`.
    labels = next(
        each["metadata"]["labels"]
        for each in read(KUBERNETES / "base" / "service.yaml")
        if monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    )
    jobs = {job for group in alerts["groups"] for rule in group["rules"] for job in JOB.findall(rule["expr"])}
    assert jobs == {labels[monitor["spec"]["jobLabel"]]}


def test_the_user_and_the_folders_are_those_of_the_image(pod: Any, container: Any) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert f"ARG UID={pod['securityContext']['runAsUser']}\n" in dockerfile
    assert "${UID}:${UID} /opt/gifcue/share/gestures /var/cache/gifcue\n" in dockerfile
    volumes = json.loads(re.search(r"^VOLUME (.*)$", dockerfile, re.M)[1])  # type: ignore[index]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert "/var/lib/gifcue/gestures" in mounted & set(volumes)
    settings = load_settings(DEPLOY / "gifcue.toml")
    assert settings.rules.book is not None
    folders = {str(settings.rules.gifs), str(settings.detect.gestures_dir), str(settings.rules.book.parent)}
    assert folders == set(volumes)


def test_every_version_is_that_of_the_package() -> None:
    (chart,) = read(CHART / "Chart.yaml")
    assert chart["version"] == chart["appVersion"] == __version__
    overlays = {
        name: read(KUBERNETES / "overlays" / name / "kustomization.yaml")[0] for name in ("cpu", "gpu")
    }
    tags = {name: each["images"][0]["newTag"] for name, each in overlays.items()}
    assert tags == {"cpu": __version__, "gpu": f"{__version__}-gpu"}


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    (values,) = read(CHART / "values.yaml")
    assert values.keys() == schema["properties"].keys() - {"global"}
    for name, value in values.items():
        known = schema["properties"][name].get("properties")
        if isinstance(value, dict) and known and name != "settings":
            assert value.keys() == known.keys(), name


def secrets_of(model: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The settings below a model, or the annotation of a setting, that are secrets."""
    if model is SecretStr:
        yield path
    elif isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield from secrets_of(field.annotation, (*path, name))
    else:
        for each in get_args(model):
            yield from secrets_of(each, path)


def test_the_schema_refuses_secrets_in_settings_which_a_config_map_holds() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["settings"]
    found = list(secrets_of(Settings))
    assert ("delivery", "webhook", "secret") in found
    for path in found:
        known: Any = schema
        for name in path:
            known = known["properties"][name]
            if known is False:
                break
        assert known is False, path


def test_a_secret_in_a_variable_counts_beside_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "whsec_" + "A" * 32
    table = {"public_url": "https://a.example", "webhook": {"url": "https://b.example/hook"}}
    monkeypatch.setenv("GIFCUE_DELIVERY", json.dumps(table))
    monkeypatch.setenv("GIFCUE_DELIVERY__WEBHOOK__SECRET", key)
    webhook = load_settings(DEPLOY / "gifcue.toml").delivery.webhook
    assert webhook is not None
    assert (str(webhook.url), webhook.secret.get_secret_value()) == ("https://b.example/hook", key)


def test_the_settings_of_the_gpu_image_open_its_model_alone() -> None:
    text = (DEPLOY / "gifcue.toml").read_text(encoding="utf-8")
    detect = tomllib.loads(with_model(text, Path("/opt/gifcue/share/model"), "ab" * 32))["detect"]
    assert (detect["backend"], detect["model_sha256"]) == ("savedmodel", "ab" * 32)
    assert detect["gestures_dir"] == tomllib.loads(text)["detect"]["gestures_dir"]
    with pytest.raises(ValueError, match="a model"):
        with_model(with_model(text, Path("m"), "ab" * 32), Path("m"), "ab" * 32)


def test_keys_that_kubernetes_replaces_are_taken(tmp_path: Path) -> None:
    """A mounted Secret is a link to a link to a folder, and an update moves the link in the middle."""

    def publish(name: str) -> None:
        folder = tmp_path / f"..{name}"
        folder.mkdir()
        digest = hashlib.sha256(name.encode()).hexdigest()
        (folder / "keys.toml").write_text(f'[tokens.{name}]\nsha256 = "{digest}"\nscopes = ["observe"]\n')
        (tmp_path / "..new").symlink_to(folder.name)
        (tmp_path / "..new").rename(tmp_path / "..data")

    publish("first")
    (tmp_path / "keys.toml").symlink_to("..data/keys.toml")
    watcher = KeysWatcher(tmp_path / "keys.toml")
    assert watcher.look() is None
    publish("second")
    keys = watcher.look()
    assert keys is not None
    assert [token.name for token in keys.tokens] == ["second"]
