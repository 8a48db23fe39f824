from __future__ import annotations

import pytest

from tests.submission.examples import Draft


@pytest.fixture
def draft() -> Draft:
    """The released notebook, for the test to fill in."""
    return Draft()
