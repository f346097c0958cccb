from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from lmbench.pipeline import Run

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: threads of their own would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("COLUMNS", None)  # the width of the terminal that pytest was started in

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts and reference outputs beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"real texts and reference outputs are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache, not even one that starts another process."""
    before = os.environ.get("LMBENCH_CACHE")
    os.environ["LMBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["LMBENCH_CACHE"]
    else:
        os.environ["LMBENCH_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _pages_without_delay() -> Iterator[None]:
    """Models of the many runs of the tests are not asked about passages; the tests of pages ask them."""
    from lmbench.pipeline import pages

    before, pages.AT_THE_END = pages.AT_THE_END, 0.0
    yield
    pages.AT_THE_END = before


@pytest.fixture(scope="session")
def small_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 6,000 characters of made-up words, Japanese among them, in one file."""
    generator = np.random.default_rng(5)
    words = np.array(["the", "queen", "said", "né", "猫である", "on", "a", "mat"])
    path = tmp_path_factory.mktemp("text") / "small <b> &text[red].txt"
    path.write_text(" ".join(words[generator.integers(0, 8, 1400)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_run(small_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with a distribution, a better one, and one that gives probability zero."""
    from lmbench.pipeline import Plan, run

    plan = Plan(
        source=str(small_text),
        tokenizer="byte",
        models=["uniform", "ngram(order=3)", "ngram(order=6, smoothing=maximum_likelihood)"],
        estimators=["zlib", "block(order=3)"],
        device="cpu",
        out=tmp_path_factory.mktemp("results"),
    )
    return run(plan, command="lmbench run")
