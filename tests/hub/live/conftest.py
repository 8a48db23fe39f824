"""Chromium, and what students write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("jupyterhub")
pytest.importorskip("playwright")

from playwright.sync_api import Browser

from tests.chromium import chromium


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser
