"""Every estimator there is, on texts that leave little to estimate: an honest figure, or one line that says why not."""

from __future__ import annotations

import importlib.util
import math

import pytest
from entropy_texts import char_tokens, nothing

from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate, Estimator
from lmbench.errors import LmbenchError
from lmbench.progress import Silent

TEXTS = {
    "empty": "",
    "one symbol": "a",
    "two symbols": "ab",
    "the same twice": "aa",
    "one symbol throughout": "a" * 400,
    "all distinct": "".join(chr(0x4E00 + index) for index in range(300)),
    "a period": "abc" * 150,
    "a long period": "".join(chr(33 + index % 90) for index in range(270)),
    "control characters": "\x00\x01\x07\x1b[31m\x7f\t\r\n" * 20,
    "almost all one symbol": "a" * 300 + "b",
    "two halves": "a" * 200 + "b" * 200,
}


def usable(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in estimators.describe(name).requires)


SPECS = [name for name in estimators.names if usable(name)]
SPECS += [f"block(correction={name}, coverage=0)" for name in ("plug_in", "grassberger", "chao_shen", "james_stein")]
SPECS += ["match_length(average=rates)", "match_length(average=slope)", "match_length(window=2)"]
SPECS += [f"{name}(code=online)" for name in ("zlib", "bz2", "lzma", "zstd")]


def honest(estimate: Estimate) -> bool:
    figures = [estimate.bits_per_character, estimate.bits_per_byte, estimate.bits_per_token]
    low, high = estimate.interval or (0.0, 0.0)
    if estimate.interval is None and "interval: " in estimate.note:
        assert "no interval: " in estimate.note  # a note does not tell of an interval that there is not
    within = estimate.bits_per_character is None or estimate.interval is None
    within = within or low <= (estimate.bits_per_character or 0.0) <= high
    return all(value is None or (math.isfinite(value) and value >= 0) for value in figures) and (
        0 <= low <= high < math.inf and within
    )


def estimated(spec: str, text: str) -> list[Estimate]:
    """The estimates; none where the text was declined, in one line that tells enough."""
    estimator: Estimator = estimators.make(spec)
    tokens = char_tokens(text)
    try:
        return estimator.estimate(nothing(tokens), tokens, Silent())
    except LmbenchError as error:
        line = str(error)
    assert "\n" not in line
    assert len(line) > 20
    assert "nan" not in line.split()
    return []


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("spec", SPECS)
def test_an_honest_figure_or_one_line(spec: str, text: str) -> None:
    assert all(honest(estimate) for estimate in estimated(spec, TEXTS[text]))


@pytest.mark.parametrize("spec", SPECS)
def test_no_lower_bound_is_above_an_upper_bound(spec: str) -> None:
    for text in TEXTS.values():
        found = [estimate for estimate in estimated(spec, text) if estimate.bits_per_character is not None]
        lower = [estimate.bits_per_character for estimate in found if estimate.kind == "lower bound"]
        upper = [estimate.bits_per_character for estimate in found if estimate.kind == "upper bound"]
        assert not lower or not upper or max(lower) <= min(upper)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "window" not in spec])
def test_a_period_costs_little(spec: str) -> None:
    # Its rate is 0: whoever gives a figure for 4,000 symbols of it gives a fraction of log2 3.
    for estimate in estimated(spec, "abc" * 1334):
        assert estimate.bits_per_token is None or estimate.bits_per_token < 0.4
        assert estimate.bits_per_byte is None or estimate.bits_per_byte < 0.4
