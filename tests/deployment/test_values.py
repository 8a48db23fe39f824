"""values.yaml, for the chart of Zero to JupyterHub."""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from jupyterhub.scopes import scope_definitions

from tests.deployment.chart import unknown
from tests.deployment.files import FOLDER, GUIDE, KUBERNETES, found_below, secrets_used, values

SCHEMA = "JUPYTERHUB_CHART_SCHEMA"


def test_the_chart_knows_every_key() -> None:
    assert list(unknown(values())) == []


def test_a_typo_is_found() -> None:
    given = copy.deepcopy(values())
    given["singleuser"]["memory"]["limits"] = given["singleuser"]["memory"].pop("limit")
    given["hub"]["db"]["type"] = "postgresql"
    given["singelusr"] = {}

    assert sorted(unknown(given)) == ["hub.db.type", "singelusr", "singleuser.memory.limits"]


def test_the_charts_own_schema() -> None:
    path = os.environ.get(SCHEMA)
    if not path:
        pytest.skip(f"the chart's schema is not here: {SCHEMA} names its values.schema.json or .yaml")
    schema = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    schema.pop("required", None)  # what the chart's own defaults give
    given = values()
    given["hub"]["extraFiles"]["course"]["stringData"] = "..."  # --set-file
    wrong = [
        f"{'.'.join(map(str, error.path))}: {error.message}"
        for error in Draft7Validator(schema).iter_errors(given)
        if not error.message.endswith("is a required property")
    ]
    assert wrong == []


def test_each_role_has_scopes_that_jupyterhub_knows_and_somebody_to_have_them() -> None:
    hub = values()["hub"]
    groups, services = hub["config"]["JupyterHub"]["load_groups"], hub["services"]
    for name, role in hub["loadRoles"].items():
        for scope in role["scopes"]:
            assert re.split("!", scope)[0] in scope_definitions, scope
        named = role.get("groups", []) + role.get("services", [])
        assert named or name == "server"
        assert set(named) <= {*groups, *services}
    for scope in re.findall(r"!service=([\w-]+)", str(hub["loadRoles"])):
        assert scope in services
    for scope in re.findall(r"!group=([\w-]+)", str(hub["loadRoles"])):
        assert scope in groups


def test_no_password_stands_in_a_file() -> None:
    """Neither in a URL nor under a key that sounds like one: all come from Kubernetes' secrets."""
    for path in FOLDER.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert re.findall(r"\w+://[^/\s@:]+:[^/\s@]+@", text) == [], path
            named = re.findall(r"(?im)^[ \t]*([\w-]*(?:password|secret|token)[\w-]*): +([^\s#]+)", text)
            allowed = ("true", "false", "hub-tls")  # of hub-tls only the name stands there
            assert [line for line in named if line[1] not in allowed and "https://" not in line[1]] == [], (
                path
            )


def test_the_guide_makes_every_secret_that_is_used() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    made = {
        (name, key)
        for name, command in re.findall(r"create secret generic ([\w-]+)((?: *\\?\n? +--\S.*)+)", text)
        for key in re.findall(r"--from-literal=([\w-]+)=", command)
    }
    assert {one for one in secrets_used() if one[0] != "hub"} == made


def test_students_reach_nothing_but_the_hub() -> None:
    policy = values()["singleuser"]["networkPolicy"]
    assert policy["enabled"] is True
    assert not any(policy["egressAllowRules"].values())
    assert "egress" not in policy


def test_the_config_is_mounted_where_the_chart_loads_it() -> None:
    (file,) = found_below(values(), "extraFiles")
    assert Path(file["course"]["mountPath"]).parent == Path("/usr/local/etc/jupyterhub/jupyterhub_config.d")
    comment = (KUBERNETES / "values.yaml").read_text(encoding="utf-8")
    assert "--set-file hub.extraFiles.course.stringData=jupyterhub_config.py" in comment
