from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "counts"))  # naive.py, the slow reference

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts and reference outputs beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"real texts and reference outputs are not at {SHARED}")
    return SHARED
