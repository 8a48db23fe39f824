"""The databases of docs/deployment.md on a real PostgreSQL server: made as it says, with the hub's tables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from jupyterhub import orm
from jupyterhub.orm import new_session_factory
from sqlalchemy import create_engine, text

from autograder.content.fences import blocks
from tests.deployment import postgresql
from tests.deployment.files import GUIDE, formgrader_pod, values


def test_the_guides_sql_makes_what_the_files_connect_to(server: postgresql.Server) -> None:
    (block,) = [each for each in blocks(GUIDE.read_text("utf-8").splitlines()) if each.language == "sql"]
    for statement in block.lines:
        server.sql("postgres", statement)
    environment = {one["name"]: one for one in formgrader_pod()["containers"][0]["env"]}

    for address in (values()["hub"]["db"]["url"], environment["AUTOGRADER_GRADEBOOK_URL"]["value"]):
        ((user, database),) = re.findall(r"//(\w+)@postgresql[^/]*/(\w+)$", address)
        engine = create_engine(f"postgresql+psycopg://{user}@/{database}?host={server.socket}")
        with engine.begin() as connection:  # since PostgreSQL 15 only its owner may
            connection.execute(text("CREATE TABLE made (id integer)"))
        engine.dispose()


def test_the_hubs_tables_are_made_and_kept(server: postgresql.Server, tmp_path: Path) -> None:
    url = server.database()
    with new_session_factory(url)() as session:  # what the hub does first
        session.add(orm.User(name="zoë"))
        session.add(orm.Group(name="formgrade-diffusion", users=[session.query(orm.User).one()]))
        session.commit()
    (tmp_path / "jupyterhub_config.py").write_text(f"c.JupyterHub.db_url = {url!r}\n")

    done = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "upgrade-db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    with new_session_factory(url)() as session:
        (group,) = session.query(orm.Group)
        assert [user.name for user in group.users] == ["zoë"]
