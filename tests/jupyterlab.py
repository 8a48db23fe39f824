"""What the tests in a browser do with a cell in JupyterLab."""

from __future__ import annotations

from playwright.sync_api import Locator, expect


def run_cell(cell: Locator, *awaited: str, patience: float) -> Locator:
    """Runs a cell and waits, so many milliseconds, for these words in what it puts out, which is returned."""
    prompt = cell.locator(".jp-InputArea-prompt").first
    before = prompt.text_content()
    cell.locator(".cm-content").first.click()
    cell.page.keyboard.press("Control+Enter")
    cell.page.wait_for_function(
        "([prompt, before]) => /\\d/.test(prompt.textContent) && prompt.textContent !== before",
        arg=[prompt.element_handle(), before],
        timeout=patience,
    )
    shown = cell.locator(".jp-Cell-outputWrapper").first
    for words in awaited:  # drawn some time after the number
        expect(shown).to_contain_text(words, timeout=patience)
    return shown
