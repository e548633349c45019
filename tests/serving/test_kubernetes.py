"""The manifests hold together, with the service, and with Kubernetes' own schemas."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from serving.admission import REASONS
from serving.check.checks import CALLS, PAGES
from serving.metrics import Metrics
from serving.settings import PREFIX, Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "serving/kubernetes"
BASE = ("deployment", "service", "autoscaler", "disruption", "network")
VERSIONS = ("1.29", "1.33")
HTTP = 3000
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def manifest(path):
    return YAML(typ="safe").load(FOLDER / path)


@pytest.fixture
def deployment():
    return manifest("base/deployment.yaml")["spec"]


@pytest.fixture
def pod(deployment):
    return deployment["template"]["spec"]


@pytest.fixture
def container(pod):
    (only,) = pod["containers"]
    return only


def told(container):
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def built(folder):
    """What kustomize makes of a folder, where kubectl is there to ask."""
    if not shutil.which("kubectl"):
        pytest.skip("needs kubectl, for its kustomize")
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe").load_all(done.stdout))


def validate(document, version):
    checker = pytest.importorskip("kubernetes_validate")
    checker.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BASE)
def test_a_manifest_is_what_kubernetes_takes(name, version):
    validate(manifest(f"base/{name}.yaml"), version)


def test_a_manifest_with_a_key_that_kubernetes_does_not_know_is_not():
    checker = pytest.importorskip("kubernetes_validate")
    document = manifest("base/deployment.yaml")
    document["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    with pytest.raises(checker.ValidationError):
        validate(document, VERSIONS[0])


def test_kustomize_takes_every_manifest_of_the_folder():
    listed = {Path(name).stem for name in manifest("base/kustomization.yaml")["resources"]}
    assert listed == set(BASE)
    assert {file.stem for file in (FOLDER / "base").glob("*.yaml")} == {*BASE, "kustomization"}
    assert len(built("base")) == len(BASE)


def test_the_gpu_overlay_changes_what_a_gpu_needs_and_nothing_else():
    plain, graphic = ({document["kind"]: document["spec"] for document in built(folder)} for folder in ("base", "gpu"))
    for document in built("gpu"):
        validate(document, VERSIONS[-1])
    (container,) = graphic["Deployment"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    settings = read_settings(told(container))
    assert settings.device == "cuda"
    assert told(container).items() >= told(plain["Deployment"]["template"]["spec"]["containers"][0]).items()
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        assert graphic[kind] == plain[kind]


def test_every_setting_of_a_manifest_is_one_that_the_service_reads(container):
    patch = manifest("gpu/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    names = {entry["name"] for entry in container["env"] + patch["env"]}
    assert names - {"BENTOML_HOME"} <= {PREFIX + field.upper() for field in Settings.model_fields}
    read_settings(told(container) | told(patch))


def test_lanes_are_the_processors_that_the_container_is_given(container):
    (lanes,) = (entry for entry in container["env"] if entry["name"] == "FILMGATE_LANES")
    assert lanes["valueFrom"]["resourceFieldRef"]["resource"] == "requests.cpu"
    assert container["resources"]["requests"]["cpu"].isdigit()


def test_one_port_goes_through_all_manifests(deployment, container):
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": HTTP}
    assert manifest("base/service.yaml")["spec"]["ports"][0]["targetPort"] == "http"
    assert manifest("base/network.yaml")["spec"]["ingress"][0]["ports"] == [{"port": "http"}]
    assert manifest("monitor/scrape.yaml")["spec"]["podMetricsEndpoints"][0]["port"] == "http"
    annotations = deployment["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(HTTP)
    assert annotations["prometheus.io/path"] in PAGES


def test_probes_ask_addresses_that_there_are(container):
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    assert set(paths.values()) <= set(PAGES)
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}


def test_a_pod_may_end_no_sooner_than_its_last_answer_leaves(pod, container):
    settings = read_settings(told(container))
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    probe = container["readinessProbe"]
    assert pause >= probe["periodSeconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + settings.drain_seconds + settings.max_seconds + 5


def test_a_container_has_no_rights_that_it_does_not_need(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # they would be named FILMGATE_... too


def mebibytes(written):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", written).groups()
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_what_is_written_has_a_volume_that_holds_it(pod, container):
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"]}
    assert set(mounts.values()) == set(volumes)
    settings = read_settings(told(container))
    most = settings.prediction_log_mib * (settings.prediction_log_files + 1)
    assert mebibytes(volumes[mounts[settings.prediction_log]]) > most
    assert str(Path(told(container)["BENTOML_HOME"]).parent) in mounts


def test_memory_is_enough_for_what_may_be_with_the_service(container):
    settings = read_settings(told(container))
    assert mebibytes(container["resources"]["limits"]["memory"]) >= 4 * settings.max_in_flight_mib


def test_selectors_find_the_pods(deployment):
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert manifest("base/service.yaml")["spec"]["selector"] == labels
    assert manifest("base/disruption.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("base/network.yaml")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("monitor/scrape.yaml")["spec"]["selector"]["matchLabels"] == labels


def test_a_node_can_be_emptied_while_the_service_answers():
    scaled = manifest("base/autoscaler.yaml")["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "filmgate"}
    assert 0 < manifest("base/disruption.yaml")["spec"]["minAvailable"] < scaled["minReplicas"] <= scaled["maxReplicas"]


def test_no_manifest_holds_a_secret(container):
    assert not [file for file in FOLDER.rglob("*.yaml") if "kind: Secret" in file.read_text()]
    (key,) = (entry for entry in container["env"] if entry["name"] == "FILMGATE_API_KEY")
    assert set(key["valueFrom"]) == {"secretKeyRef"}


def series():
    """The names under which Prometheus keeps what the service counts."""
    return {
        family.name + suffix
        for family in Metrics().registry.collect()
        if family.name.startswith("filmgate_")
        for suffix in SUFFIXES[family.type]
    }


def rules():
    (group,) = manifest("monitor/alerts.yaml")["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_alerts_watch_what_the_service_counts():
    for name, rule in rules().items():
        asked = set(re.findall(r"filmgate_\w+", rule["expr"]))
        assert asked, name
        assert asked <= series(), name
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")


def test_alerts_ask_for_labels_that_there_are():
    expressions = " ".join(rule["expr"] for rule in rules().values())
    assert set(re.findall(r'reason="(\w+)"', expressions)) <= set(REASONS.values())
    assert set(re.findall(r'call!?="([^"]+)"', expressions)) <= {*CALLS, "other"}
    assert set(re.findall(r'decision="(\w+)"', expressions)) <= {"positive", "negative", "refer", "refused"}
