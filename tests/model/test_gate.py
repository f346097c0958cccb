from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from lmbench.model._gate import fit_gate, gate_weights


def test_weights_by_hand() -> None:
    """ln 3 : 0 is 3 : 1; where the second is not known, the first has all."""
    gate = np.array([[np.log(3), 0.0]])
    known = np.array([[True, True], [True, False]])
    assert gate_weights(gate, np.ones((2, 1)), known) == pytest.approx(np.array([[0.75, 0.25], [1, 0]]))


def test_the_gate_finds_who_is_right_where() -> None:
    """Two models, of which the first knows the token in 90 of 100 places of one kind and in 20 of 100 of the other: at
    the maximum of the likelihood the weights are those shares."""
    right = np.repeat([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [90, 10, 20, 80], axis=0)
    kind = np.repeat([[1.0, 0.0], [0.0, 1.0]], 100, axis=0)
    known = np.ones((200, 2), dtype=bool)
    gate = fit_gate(kind, right, known, np.zeros((2, 2)), strength=1e-6)
    assert gate_weights(gate, np.eye(2), known[:2]) == pytest.approx(np.array([[0.9, 0.1], [0.2, 0.8]]), abs=1e-3)
    assert gate[0] @ [1, -1] == pytest.approx(logit(0.9), abs=1e-2)
    kept = fit_gate(kind, right, known, np.array([[0.0, -1.0], [0.0, -1.0]]), strength=1e9)
    assert kept == pytest.approx(np.array([[0.0, -1.0], [0.0, -1.0]]), abs=1e-5)


def test_what_no_model_thinks_possible_teaches_nothing() -> None:
    probs = np.array([[0.5, 0.1], [0.0, 0.0], [0.0, 0.4]])
    known = np.array([[True, True], [True, True], [True, False]])
    gate = fit_gate(np.ones((3, 1)), probs, known, np.zeros((1, 2)))
    alone = fit_gate(np.ones((1, 1)), probs[:1], known[:1], np.zeros((1, 2)))
    assert np.isfinite(gate).all()
    assert gate == pytest.approx(alone)
