"""JupyterHub's configuration files, loaded as JupyterHub loads them, and the pods that come of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from jupyterhub.app import JupyterHub
from kubespawner import KubeSpawner
from traitlets.config import Config, Configurable, PyFileConfigLoader

from tests.deployment.files import KUBERNETES, values

INSTRUCTOR = "formgrade-diffusion"
STUDENT = "nbgrader-diffusion"


def load(path: Path) -> Config:
    """The configuration that a file makes."""
    return PyFileConfigLoader(path.name, path=str(path.parent)).load_config()


def unknown_options(config: Config, classes: list[type[Configurable]]) -> list[str]:
    """What is set on no class, or is no option of its class: a typo, mostly."""
    known: dict[str, set[str]] = {}
    for each in classes:
        for parent in each.mro():
            if issubclass(parent, Configurable):
                known.setdefault(parent.__name__, set()).update(parent.class_traits(config=True))
    return [
        f"{section}.{option}"
        for section, options in config.items()
        for option in options
        if option not in known.get(section, set())
    ]


def classes_of_the_hub(*more: type[Configurable]) -> list[type[Configurable]]:
    """What may be configured in a hub."""
    return [*JupyterHub().classes, JupyterHub, *more]


def spawner_of(name: str, group: str, **options: Any) -> KubeSpawner:
    """The spawner of a user's pod, far from any cluster: values.yaml first, then jupyterhub_config.py."""
    config = _from_values()
    config.merge(load(KUBERNETES / "jupyterhub_config.py"))
    with patch("kubespawner.spawner.load_config"), patch("kubespawner.spawner.shared_client"):
        spawner = KubeSpawner(_mock=True, config=config)
    spawner.user.name = name
    spawner.user.groups = [SimpleNamespace(name=group)]
    spawner.user_options = options
    return spawner


def pod_of(name: str, group: str, **options: Any) -> dict[str, Any]:
    """The pod that JupyterHub would ask Kubernetes for, as Kubernetes' API spells it."""

    async def make() -> Any:
        spawner = spawner_of(name, group, **options)
        await spawner.load_user_options()
        return await spawner.get_pod_manifest()

    from kubernetes_asyncio.client import ApiClient

    pod: dict[str, Any] = ApiClient.sanitize_for_serialization(
        ApiClient.__new__(ApiClient), asyncio.run(make())
    )
    return pod


def profiles_of_an_instructor() -> list[dict[str, Any]]:
    spawner = spawner_of("irene", INSTRUCTOR)
    profiles: list[dict[str, Any]] = spawner.profile_list(spawner)
    return profiles


def _from_values() -> Config:
    """What the chart's own jupyterhub_config.py makes of `singleuser`."""
    given = values()["singleuser"]
    home = {"name": "home", "persistentVolumeClaim": {"claimName": "claim-{username}"}}
    storage = given["storage"]
    return Config(
        {
            "KubeSpawner": {
                "image": f"{given['image']['name']}:{given['image']['tag']}",
                "image_pull_policy": given["image"]["pullPolicy"],
                "default_url": given["defaultUrl"],
                "uid": 1000,
                "cpu_guarantee": given["cpu"]["guarantee"],
                "cpu_limit": given["cpu"]["limit"],
                "mem_guarantee": given["memory"]["guarantee"],
                "mem_limit": given["memory"]["limit"],
                "allow_privilege_escalation": given["allowPrivilegeEscalation"],
                "volumes": [home, *storage["extraVolumes"]],
                "volume_mounts": [
                    {"name": "home", "mountPath": storage["homeMountPath"]},
                    *storage["extraVolumeMounts"],
                ],
            }
        }
    )
