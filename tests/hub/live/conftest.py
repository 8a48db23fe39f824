"""Chromium, and what students write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

pytest.importorskip("jupyterhub")
pytest.importorskip("playwright")

from playwright.sync_api import Browser, sync_playwright


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
