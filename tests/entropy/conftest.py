"""Fixtures of the estimators' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def shared_text(shared: Path) -> Callable[[str], str]:
    """The text of a file in the shared data folder; the test is skipped where it is absent."""

    def read(name: str) -> str:
        path = shared / "data" / name
        if not path.exists():
            pytest.skip(f"{path} is not here")
        return path.read_text(encoding="utf-8")

    return read


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20)
