from __future__ import annotations

import pytest

from tests.where_time_went import where


@pytest.mark.parametrize(
    ("nodeid", "folder", "module"),
    [
        ("tests/modules/unet/test_oracles.py::test_it", "modules", "unet"),
        ("tests/modules/test_modules.py::test_it[lora-merge]", "modules", "lora"),
        ("tests/run/test_store.py::test_noise_is_kept", "run", ""),
        ("tests/test_groups.py::test_it", "test_groups.py", ""),
    ],
)
def test_a_test_counts_for_its_folder_and_for_the_module_that_it_names(
    nodeid: str, folder: str, module: str
) -> None:
    assert where(nodeid) == (folder, module)
