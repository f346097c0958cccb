"""`--seeds N`: nets are trained N times, n-grams once; the row is the mean, its interval holds what seeds differ by."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmbench import pipeline, store
from lmbench.errors import UsageError
from lmbench.model._neural import Neural
from lmbench.model.ngram import Ngram
from lmbench.pipeline import Plan, pages
from lmbench.pipeline.comparison import compare, contestants
from lmbench.score.interval import Estimate, seeded

NET = "transformer(layers=1, heads=1, width=16, context=32, batch=128, steps=10, patience=100)"
MIXTURE = f"mixture(models=[ngram(order=2), {NET}])"


@pytest.fixture(scope="module")
def fitted() -> Counter[str]:
    return Counter()


@pytest.fixture(scope="module")
def done(small_text: Path, tmp_path_factory: pytest.TempPathFactory, fitted: Counter[str]) -> pipeline.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "write_page", lambda *_, **__: None)
        for kind in (Neural, Ngram):
            watch(kind, fitted, patch)
        plan = Plan(
            source=str(small_text), tokenizer="byte", models=["ngram(order=2)", NET, MIXTURE], estimators=[],
            device="cpu", seed=4, seeds=3, out=tmp_path_factory.mktemp("seeds"),
        )  # fmt: skip
        return pipeline.run(plan)


def watch(kind: type[Any], fitted: Counter[str], patch: pytest.MonkeyPatch) -> None:
    fit = kind.fit

    def fit_and_tell(self: Any, *arguments: Any) -> Any:
        fitted[kind.__name__] += 1
        return fit(self, *arguments)

    patch.setattr(kind, "fit", fit_and_tell)


def test_nets_are_trained_that_often_also_inside_others_and_ngrams_are_fitted_once(
    done: pipeline.Run, fitted: Counter[str]
) -> None:
    assert done.record.failures == []
    assert fitted["Neural"] == 3
    ngram, net, mixture = done.record.rows
    assert ngram.seeds == []
    assert [each.seed for each in net.seeds] == [each.seed for each in mixture.seeds] == [4, 5, 6]


def test_a_row_is_the_mean_of_its_seeds(done: pipeline.Run) -> None:
    net = done.record.rows[1]
    values = [each.nats_per_token or 0.0 for each in net.seeds]
    assert len(set(values)) == 3
    assert net.nats_per_token == pytest.approx(np.mean(values))
    assert -store.read_log_probs(done.folder, net).mean() == pytest.approx(np.mean(values))
    assert net.ci95_nats_per_token is not None
    one = done.record.rows[0].ci95_nats_per_token
    assert one is not None


def test_differences_hold_what_seeds_differ_by(done: pipeline.Run) -> None:
    ngram, net, mixture = done.record.rows
    found, _ = contestants([done.folder])
    bare = [replace(each, row=each.row.model_copy(update={"seeds": []})) for each in found]
    with_seeds, without = ({frozenset((pair.first, pair.second)): pair.difference for pair in compare(each).pairs}
                           for each in (found, bare))  # fmt: skip
    values = np.array([each.nats_per_token for each in net.seeds])
    pair = frozenset((ngram.model, net.model))
    errors = [each[pair].error or 0.0 for each in (with_seeds, without)]
    assert errors[0] ** 2 - errors[1] ** 2 == pytest.approx(values.var(ddof=1) / 3)
    pair = frozenset((mixture.model, net.model))  # trained with the same seeds: paired by seed
    gaps = values - np.array([each.nats_per_token for each in mixture.seeds])
    errors = [each[pair].error or 0.0 for each in (with_seeds, without)]
    assert errors[0] ** 2 - errors[1] ** 2 == pytest.approx(gaps.var(ddof=1) / 3)


def test_variances_add_by_hand() -> None:
    """Errors 3 and 4 on 6 and 2 degrees of freedom: 5 on 625 / (81/6 + 256/2)."""
    found = Estimate(1.0, 3.0, 6.0, "").and_from(16.0, 2.0)
    assert found.error == 5
    assert found.freedom == pytest.approx(625 / (81 / 6 + 256 / 2))
    same = seeded(Estimate(1.0, 3.0, 6.0, ""), np.array([1.0, 3.0]))
    assert same.error == pytest.approx(np.sqrt(9 + 1))
    assert seeded(same, np.array([1.0])) is same


def test_seeds_that_cannot_be(small_text: Path) -> None:
    with pytest.raises(UsageError, match="--seeds must be 1 or more"):
        Plan(source=str(small_text), seeds=0).specs()
    with pytest.raises(UsageError, match="belongs to --protocol static"):
        Plan(source=str(small_text), seeds=2, protocol="prequential").specs()
