"""course.yaml and watch.yaml: what Kubernetes would refuse, and names that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deployment.files import (
    KUBERNETES,
    formgrader_pod,
    found_below,
    manifest,
    manifests,
    values,
    watch_container,
)
from tests.deployment.kubernetes import wrong

KINDS = {
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "Deployment": "V1Deployment",
    "Service": "V1Service",
    "NetworkPolicy": "V1NetworkPolicy",
}
CONTAINERS = [*formgrader_pod()["containers"], watch_container()]


@pytest.mark.parametrize(
    "object", manifests(), ids=[f"{one['kind']} {one['metadata']['name']}" for one in manifests()]
)
def test_kubernetes_knows_every_key(object: dict[str, Any]) -> None:
    assert list(wrong(object, KINDS[object["kind"]])) == []


def test_a_wrong_key_and_a_wrong_type_are_found() -> None:
    deployment = manifest("Deployment", "formgrader-diffusion")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["volumeMount"] = container.pop("volumeMounts")
    deployment["spec"]["replicas"] = "1"

    assert sorted(wrong(deployment, "V1Deployment")) == [
        ".spec.replicas: '1' is no int",
        ".spec.template.spec.containers[0].volumeMount: V1Container has no such key",
    ]


def test_the_patch_adds_a_container_and_nothing_else() -> None:
    (patch,) = manifests("watch.yaml")

    assert list(wrong(watch_container(), "V1Container")) == []
    assert list(found_below(patch, "spec")) == [
        {"template": {"spec": {"containers": [watch_container()]}}},
        {"containers": [watch_container()]},
    ]
    assert watch_container()["name"] != "formgrader"
    image, shares = CONTAINERS[0]["image"], ("workingDir", "securityContext", "volumeMounts")
    assert watch_container()["image"] == image
    assert all(watch_container()[key] == CONTAINERS[0][key] for key in shares)
    assert [env for env in watch_container()["env"] if env not in CONTAINERS[0]["env"]] == []


def test_every_volume_and_claim_is_there() -> None:
    claims = {one["metadata"]["name"] for one in manifests() if one["kind"] == "PersistentVolumeClaim"}
    pod = formgrader_pod()
    volumes = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]}
    of_students = values()["singleuser"]["storage"]

    assert set(volumes.values()) == claims
    for container in [*pod["initContainers"], *CONTAINERS]:
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    assert {one["persistentVolumeClaim"]["claimName"] for one in of_students["extraVolumes"]} == {"exchange"}
    assert {one["name"] for one in of_students["extraVolumeMounts"]} == {
        one["name"] for one in of_students["extraVolumes"]
    }


def test_many_pods_may_use_the_exchange_at_once() -> None:
    assert manifest("PersistentVolumeClaim", "exchange")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_exchange_is_where_nbgrader_looks_for_it() -> None:
    images = KUBERNETES.parent / "images"
    (place,) = {
        mount["mountPath"]
        for mounts in found_below([values(), manifests()], "volumeMounts")
        for mount in mounts
        if mount["name"] == "exchange"
    }
    for role in ("student", "grading"):
        config = (images / role / "nbgrader_config.py").read_text(encoding="utf-8")
        assert f'c.Exchange.root = "{place}"\n' in config


def test_the_service_finds_the_pod_and_the_hub_finds_the_service() -> None:
    deployment = manifest("Deployment", "formgrader-diffusion")
    service = manifest("Service", "formgrader-diffusion")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (port,) = service["spec"]["ports"]

    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (listening,) = CONTAINERS[0]["ports"]
    assert listening["name"] == port["targetPort"]
    (url,) = [one["url"] for one in values()["hub"]["services"].values()]
    assert url == f"http://{service['metadata']['name']}:{port['port']}"
    environment = {one["name"]: one.get("value") for one in CONTAINERS[0]["env"]}
    assert environment["JUPYTERHUB_SERVICE_URL"] == f"http://0.0.0.0:{listening['containerPort']}"


def test_the_formgrader_is_the_service_that_the_hub_knows() -> None:
    ((name, service),) = values()["hub"]["services"].items()
    environment = {one["name"]: one for one in CONTAINERS[0]["env"]}

    assert "api_token" not in service  # the chart makes one
    assert environment["JUPYTERHUB_API_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": "hub",
        "key": f"hub.services.{name}.apiToken",
    }
    assert environment["JUPYTERHUB_SERVICE_NAME"]["value"] == name
    assert environment["JUPYTERHUB_SERVICE_PREFIX"]["value"] == f"/services/{name}/"
    assert environment["JUPYTERHUB_CLIENT_ID"]["value"] == f"service-{name}"


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_grading_needs_no_privilege_and_is_limited(container: dict[str, Any]) -> None:
    context = container["securityContext"]

    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"].keys() == {"requests", "limits"}
    assert all(given.keys() == {"cpu", "memory"} for given in container["resources"].values())


def test_no_pod_gets_a_token_of_the_clusters_or_the_hosts_namespaces() -> None:
    pod = formgrader_pod()
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not list(found_below(manifests(), "privileged"))
    assert not list(found_below(manifests(), "hostPath"))


def test_each_policy_finds_its_pods() -> None:
    labels = manifest("Deployment", "formgrader-diffusion")["spec"]["template"]["metadata"]["labels"]
    for policy in (one for one in manifests() if one["kind"] == "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    # The chart's proxy may go where the formgrader listens; the hub lets in who has this label.
    ((rule,),) = [values()["proxy"]["chp"]["networkPolicy"]["egress"]]
    ((to,), (port,)) = rule["to"], rule["ports"]
    assert to["podSelector"]["matchLabels"].items() <= labels.items()
    assert port["port"] == CONTAINERS[0]["ports"][0]["containerPort"]
    assert labels["hub.jupyter.org/network-access-hub"] == "true"
