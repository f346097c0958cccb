from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lmbench.smoothing._interpolation import BUCKETS, bucket, interpolation_weights


def test_buckets_are_powers_of_two() -> None:
    assert bucket(np.array([0, 1, 2, 3, 4, 7, 8, 1 << 40])).tolist() == [0, 0, 1, 1, 2, 2, 3, BUCKETS - 1]


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_the_weights_maximise_the_likelihood(seed: int, order: int) -> None:
    """One bucket for each order, some tokens whose context is new: compared with a general optimiser."""
    rng = np.random.default_rng(seed)
    relative = rng.beta(0.5, 1, size=(order, 300))
    total = rng.integers(0, 2, size=(order, 300))
    base = rng.uniform(0.05, 0.3, 300)

    def loss(logits: np.ndarray) -> float:
        probs = base
        for weight, own, known in zip(1 / (1 + np.exp(-logits)), relative, total, strict=True):
            probs = np.where(known > 0, weight * own + (1 - weight) * probs, probs)
        return float(-np.log(probs).mean())

    best = minimize(loss, np.zeros(order), method="BFGS").fun
    found = interpolation_weights(relative * (total > 0), total, base)[:, 0]
    assert loss(np.log(found / (1 - found))) < best + 1e-5


def test_a_bucket_that_few_tokens_reach_does_as_its_neighbour() -> None:
    """Contexts that came once give half their tokens, those that came four times all but one of ten."""
    total = np.array([[1] * 400 + [4] * 10])
    relative = np.array([[1.0, 0.0] * 200 + [1.0] * 9 + [0.0]])
    own = interpolation_weights(relative, total, 1e-9)[0]
    assert own[:4] == pytest.approx([0.5, 0.5, 0.9, 0.9], abs=1e-3)
    assert interpolation_weights(relative, total, 1e-9, needed=50)[0, :4] == pytest.approx([0.5] * 4, abs=1e-3)
