"""jupyterhub_config.py on Kubernetes: every option exists, and each user gets the right pod."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubespawner import KubeSpawner
from oauthenticator.generic import GenericOAuthenticator
from traitlets.config import Config

from autograder.nbgrader.steps.accounts import account_of
from tests.deployment.files import KUBERNETES, manifest, values
from tests.deployment.hub import (
    INSTRUCTOR,
    STUDENT,
    classes_of_the_hub,
    load,
    pod_of,
    spawner_of,
    unknown_options,
)
from tests.deployment.kubernetes import wrong

CONFIG = KUBERNETES / "jupyterhub_config.py"


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_every_option_exists() -> None:
    classes = classes_of_the_hub(KubeSpawner, GenericOAuthenticator)

    assert unknown_options(load(CONFIG), classes) == []
    assert unknown_options(Config(values()["hub"]["config"]), classes) == []
    assert unknown_options(Config({"KubeSpawner": {"imgae": ""}}), classes) == ["KubeSpawner.imgae"]


def test_the_authenticator_takes_the_values() -> None:
    given = values()["hub"]["config"]["GenericOAuthenticator"]
    authenticator = GenericOAuthenticator(config=Config({"GenericOAuthenticator": given}))

    assert all(getattr(authenticator, name) == value for name, value in given.items())


def test_both_sides_number_accounts_alike() -> None:
    names = ["ada", "ben", "zoë", "x" * 100, "a@b.example"]
    for name in names:
        container = container_of(pod_of(name, STUDENT))
        assert container["securityContext"]["runAsUser"] == account_of(name)
    assert len({account_of(name) for name in names}) == len(names)
    assert all(1 << 30 <= account_of(str(n)) < 1 << 31 for n in range(1000))


def test_a_students_pod() -> None:
    pod = pod_of("ada", STUDENT)
    container = container_of(pod)

    assert list(wrong(pod["spec"], "V1PodSpec")) == []
    assert container["image"].partition(":")[0] == values()["singleuser"]["image"]["name"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]}
    assert claims == {"claim-ada", "exchange"}
    assert not any("secretKeyRef" in str(one) for one in container["env"])
    assert "diffusion/gradebook" not in pod["metadata"]["labels"]


def test_students_have_no_choice_and_see_no_page_for_it() -> None:
    assert asyncio.run(spawner_of("ada", STUDENT).get_options_form()) == ""
    with pytest.raises(ValueError, match="No such profile"):
        pod_of("ada", STUDENT, profile="grading-gpu")


def test_instructors_may_choose_a_gpu() -> None:
    form = asyncio.run(spawner_of("irene", INSTRUCTOR).get_options_form())
    ordinary, grading = pod_of("irene", INSTRUCTOR), pod_of("irene", INSTRUCTOR, profile="grading-gpu")

    assert 'value="student" checked' in form
    assert 'value="grading-gpu"' in form
    assert container_of(ordinary)["securityContext"]["runAsUser"] == account_of("irene")
    assert "nvidia.com/gpu" not in container_of(ordinary)["resources"]["limits"]
    assert list(wrong(grading["spec"], "V1PodSpec")) == []
    container = container_of(grading)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {
        "/home/jovyan",
        "/srv/nbgrader/exchange",
        "/srv/course/diffusion",
    }


def test_the_gpus_pod_is_the_formgraders_in_what_counts() -> None:
    """The same account, the same directory, the same gradebook: they work side by side."""
    grading = pod_of("irene", INSTRUCTOR, profile="grading-gpu")
    deployment = manifest("Deployment", "formgrader-diffusion")["spec"]["template"]
    formgrader = deployment["spec"]["containers"][0]
    container = container_of(grading)

    assert container["securityContext"]["runAsUser"] == formgrader["securityContext"]["runAsUser"]
    environment = {one["name"]: one for one in formgrader["env"]}
    for one in container["env"]:
        if one["name"] in ("AUTOGRADER_GRADEBOOK_URL", "PGPASSWORD"):
            assert one == environment[one["name"]]
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in grading["spec"]["volumes"]}
    assert {
        volume["persistentVolumeClaim"]["claimName"] for volume in deployment["spec"]["volumes"]
    } <= claims
    label = "diffusion/gradebook"
    assert grading["metadata"]["labels"][label] == deployment["metadata"]["labels"][label] == "true"
