"""What an estimator says of its own interval comes from the committed table, and from nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lmbench.entropy import _coverage as coverage
from lmbench.entropy import estimators
from lmbench.entropy._calibration import ESTIMATORS, SIZES, SOURCES
from lmbench.spec import parse

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "results" / "reference" / "calibration.json"


def row(estimator: str, source: str, covered: float | None, intervals: int) -> dict[str, Any]:
    return {"estimator": estimator, "source": source, "coverage": covered, "intervals": intervals}


ROWS = [
    row("block", "iid", 0.95, 20),
    row("block", "iid", 1.0, 10),
    row("block", "hmm", 0.1, 20),
    row("block(correction=plug_in)", "iid", 0.9, 10),
    row("zlib", "iid", None, 0),
]


def test_the_summary_by_hand() -> None:
    found = coverage.coverage_of(ROWS)
    assert found["block"] == {
        "intervals": 50, "covered": 31, "best": ["iid", pytest.approx(29 / 30)], "worst": ["hmm", pytest.approx(0.1)],
    }  # fmt: skip
    assert "zlib" not in found


def test_unit_and_defaults_are_no_part_of_the_key() -> None:
    assert coverage.key_of(parse("block(unit=token, correction=miller_madow, order=16)")) == "block"
    assert coverage.key_of(parse("block(coverage=0.5, unit=byte)")) == "block(coverage=0.5)"
    assert coverage.key_of(parse("match_length(average=rates)")) == "match_length(average=rates)"


def test_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_shipped", lambda: coverage.coverage_of(ROWS))
    said = coverage.warning(parse("block(unit=token)"))
    assert said == (
        "on sources of known rate such 95 % intervals held the rate in 31 of 50 samples (97% on iid, 10% on hmm)"
    )
    assert "with default options" in (coverage.warning(parse("block(order=3)")) or "")
    assert coverage.warning(parse("block(correction=plug_in)")) is None  # 90 % is enough
    assert coverage.warning(parse("zlib")) is None


def test_the_shipped_file_is_that_of_the_committed_table() -> None:
    if not TABLE.exists():
        pytest.skip(f"{TABLE} is not in this checkout")
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    shipped = (Path(coverage.__file__).parent / "calibration.json").read_text(encoding="utf-8")
    assert shipped == coverage.shipped_text(rows)
    assert {row["size"] for row in rows} == {1_000, 10_000, 100_000, 1_000_000}


def test_every_estimator_that_is_calibrated_has_a_table() -> None:
    for spec in ESTIMATORS:
        mine = [row for row in coverage.calibrated(parse(spec).name) if row.estimator == spec]
        assert [row.source for row in mine] == [source for source in SOURCES for _ in SIZES], spec
    assert {parse(spec).name for spec in ESTIMATORS} == set(estimators.names)
    assert coverage.calibrated("no such") == []


def test_figures_in_docstrings_are_those_of_the_table() -> None:
    from lmbench.entropy.extrapolation import Extrapolation
    from lmbench.entropy.match_length import MatchLength

    shipped = coverage._shipped()
    told = {
        Extrapolation: ["extrapolation", "extrapolation(of=block)"],
        MatchLength: ["match_length", "match_length(average=rates)", "match_length(average=slope)"],
    }
    for plugin, specs in told.items():
        said = re.findall(r"(\d+) of (\d+)", " ".join((plugin.__doc__ or "").split()))
        assert said == [(str(shipped[spec]["covered"]), str(shipped[spec]["intervals"])) for spec in specs]
    if not TABLE.exists():
        pytest.skip(f"{TABLE} is not in this checkout")
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    bias = {(row["estimator"], row["source"], row["size"]): row["bias"] for row in rows}
    for plugin, specs, places in (
        (Extrapolation, ["extrapolation"], [("markov(order=2)", 100_000), ("iid(distribution=zipf)", 100_000)]),
        (Extrapolation, ["extrapolation(of=block)"], [("markov(order=2)", 100_000), ("pcfg", 100_000)]),
        (MatchLength, told[MatchLength], [("hmm", 1_000_000), ("renewal", 1_000_000)]),
        (MatchLength, told[MatchLength][:2], [("iid", 100_000)]),
    ):
        for spec in specs:
            for place in places:
                assert f"{bias[spec, *place]:.3f}" in (plugin.__doc__ or "")
