"""Which keys the chart of Zero to JupyterHub takes, as far as our values use it: the names, in our words.

The chart's own schema is in no package registry. Where it lies on this machine, and JUPYTERHUB_CHART_SCHEMA
names it, the values are checked against that too, as helm does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ANY: dict[str, Any] = {}  # JupyterHub's or Kubernetes' own words, checked elsewhere
LEAF = None
RULES = {
    "enabled": LEAF,
    "ingress": ANY,
    "egress": ANY,
    "allowedIngressPorts": ANY,
    "interNamespaceAccessLabels": LEAF,
    "egressAllowRules": {
        "cloudMetadataServer": LEAF,
        "dnsPortsCloudMetadataServer": LEAF,
        "dnsPortsKubeSystemNamespace": LEAF,
        "dnsPortsPrivateIPs": LEAF,
        "nonPrivateIPs": LEAF,
        "privateIPs": LEAF,
    },
}
IMAGE = {"name": LEAF, "tag": LEAF, "pullPolicy": LEAF, "pullSecrets": ANY}
FILE = {"mountPath": LEAF, "data": ANY, "stringData": LEAF, "binaryData": LEAF, "mode": LEAF}
CHART: dict[str, Any] = {
    "hub": {
        "baseUrl": LEAF,
        "config": ANY,
        "db": {"type": LEAF, "url": LEAF, "password": LEAF, "upgrade": LEAF, "pvc": ANY},
        "existingSecret": LEAF,
        "extraConfig": ANY,
        "extraEnv": ANY,
        "extraFiles": {"*": FILE},
        "extraVolumeMounts": ANY,
        "extraVolumes": ANY,
        "image": IMAGE,
        "loadRoles": ANY,
        "networkPolicy": RULES,
        "nodeSelector": ANY,
        "resources": ANY,
        "services": ANY,
        "tolerations": ANY,
    },
    "proxy": {
        "chp": {"image": IMAGE, "networkPolicy": RULES, "resources": ANY},
        "https": ANY,
        "service": {"type": LEAF, "annotations": ANY, "labels": ANY, "loadBalancerIP": LEAF},
    },
    "singleuser": {
        "allowPrivilegeEscalation": LEAF,
        "cloudMetadata": {"blockWithIptables": LEAF, "ip": LEAF},
        "cmd": LEAF,
        "cpu": {"guarantee": LEAF, "limit": LEAF},
        "defaultUrl": LEAF,
        "extraEnv": ANY,
        "extraFiles": {"*": FILE},
        "extraLabels": ANY,
        "extraPodConfig": ANY,
        "extraResource": {"guarantees": ANY, "limits": ANY},
        "fsGid": LEAF,
        "image": IMAGE,
        "initContainers": ANY,
        "memory": {"guarantee": LEAF, "limit": LEAF},
        "networkPolicy": RULES,
        "nodeSelector": ANY,
        "profileList": ANY,
        "startTimeout": LEAF,
        "storage": {
            "capacity": LEAF,
            "dynamic": ANY,
            "extraVolumeMounts": ANY,
            "extraVolumes": ANY,
            "homeMountPath": LEAF,
            "static": ANY,
            "type": LEAF,
        },
        "uid": LEAF,
    },
    "ingress": {
        "annotations": ANY,
        "enabled": LEAF,
        "hosts": ANY,
        "ingressClassName": LEAF,
        "pathSuffix": LEAF,
        "pathType": LEAF,
        "tls": ANY,
    },
    "cull": {
        "adminUsers": LEAF,
        "concurrency": LEAF,
        "enabled": LEAF,
        "every": LEAF,
        "maxAge": LEAF,
        "removeNamedServers": LEAF,
        "timeout": LEAF,
        "users": LEAF,
    },
    "prePuller": ANY,
    "scheduling": ANY,
    "imagePullSecrets": ANY,
    "debug": {"enabled": LEAF},
    "custom": ANY,
}
CHOICES = {
    "hub.db.type": ("sqlite-pvc", "sqlite-memory", "mysql", "postgres", "other"),
    "proxy.service.type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    "singleuser.image.pullPolicy": ("IfNotPresent", "Always", "Never"),
    "singleuser.storage.type": ("dynamic", "static", "none"),
}


def unknown(given: dict[str, Any], known: dict[str, Any] = CHART, where: str = "") -> Iterator[str]:
    """Where a key stands that the chart does not take there, or a word that it does not know."""
    for key, value in given.items():
        place = f"{where}.{key}" if where else key
        if key not in known and "*" not in known:
            yield place
            continue
        below = known.get(key, known.get("*"))
        if below is LEAF:
            if isinstance(value, (dict, list)) or value not in CHOICES.get(place, (value,)):
                yield place
        elif below:
            yield from unknown(value, below, place)
