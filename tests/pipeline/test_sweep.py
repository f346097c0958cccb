"""A planted law of model size is found again in a record."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmbench.entropy._ansatz import Ansatz, Extrapolation, Floats, extrapolate
from lmbench.pipeline import Run
from lmbench.pipeline.entropy import _of_models
from lmbench.pipeline.sweep import size_sweeps
from lmbench.record import Entropy, Failure, Record
from lmbench.report.lines import lines_of


def sweep(run: Run, sizes: list[int], limit: float) -> Record:
    """The record with a `transformer` of each size, whose loss is limit + 30 N^-0.4 bits."""
    [model] = [row for row in run.record.rows if row.model == "ngram(order=3)"]
    rows = []
    for size in sizes:
        bits = limit + 30 * size**-0.4
        rows.append(
            model.model_copy(
                update={
                    "model": f"transformer(width={size})", "parameters": size, "stored_ngrams": None,
                    "bits_per_token": bits, "bits_per_byte": bits, "bits_per_character": 2 * bits,
                    "ci95_nats_per_token": ((bits - 0.002) * math.log(2), (bits + 0.002) * math.log(2)),
                }
            )
        )  # fmt: skip
    return run.record.model_copy(update={"rows": [*run.record.rows, *rows]})


def test_the_limit_that_was_planted(small_run: Run) -> None:
    [found] = size_sweeps(sweep(small_run, [1000 * 3**power for power in range(7)], 1.2))
    assert isinstance(found, Entropy)
    assert found.bits_per_token == pytest.approx(1.2, abs=0.03)
    assert found.bits_per_character == pytest.approx(2 * 1.2, abs=0.06)
    assert found.ci95_bits_per_character is not None
    assert found.ci95_bits_per_character[0] <= 2.4 <= found.ci95_bits_per_character[1]
    law = found.curve["extrapolation"]
    assert isinstance(law, dict)
    for name, truth in (("exponent", 0.4), ("amplitude", 30.0)):
        low, high = law[f"{name}_interval"]  # type: ignore[misc]
        assert low <= truth <= high  # type: ignore[operator]
    assert "h + A n^-g of the parameters n, with g = " in found.note


def test_no_sweep_no_row(small_run: Run) -> None:
    assert size_sweeps(small_run.record) == []
    assert size_sweeps(sweep(small_run, [1000, 2000, 4000, 8000], 1.2)) == []


def test_a_sweep_without_a_limit_says_why(small_run: Run) -> None:
    [failure] = size_sweeps(sweep(small_run, [1000 * 3**power for power in range(7)], 0.0))
    assert isinstance(failure, Failure)
    assert "bound of 0" in failure.message


def test_nets_that_differ_in_more_than_size_are_no_sweep(small_run: Run) -> None:
    record = sweep(small_run, [1000 * 3**power for power in range(7)], 1.2)
    rows = [
        row.model_copy(update={"model": row.model[:-1] + f", dropout=0.{place})"}) if row.parameters else row
        for place, row in enumerate(record.rows)
    ]
    assert size_sweeps(record.model_copy(update={"rows": rows})) == []


def test_noise_is_half_that_of_one_test_text(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[np.ndarray] = []

    def spied(sizes: Floats, values: Floats, replicates: Floats, ansatz: Ansatz, seed: int) -> Extrapolation:
        drawn.append(replicates)
        return extrapolate(sizes, values, replicates, ansatz, seed)

    monkeypatch.setattr("lmbench.pipeline.sweep.extrapolate", spied)
    size_sweeps(sweep(small_run, [1000 * 3**power for power in range(7)], 1.2))
    assert np.corrcoef(drawn[0], rowvar=False)[0, 6] == pytest.approx(0.5, abs=0.15)


def test_a_limit_of_size_is_no_estimate_of_the_rate(small_run: Run) -> None:
    record = sweep(small_run, [1000 * 3**power for power in range(7)], 1.2)
    [found] = size_sweeps(record)
    assert isinstance(found, Entropy)
    record = record.model_copy(update={"entropy": [found]})
    [line] = [line for line in lines_of(record) if "infinity" in line.name]
    assert line.kind == "limit of size"
    assert _of_models(record) == [found]
