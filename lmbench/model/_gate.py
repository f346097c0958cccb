"""A gate: weights of a mixture that are a softmax over features of the context, trained on the likelihood of a text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Known = NDArray[np.bool_]

_NOTHING = -1e30  # the score of a model that has nothing to say


def gate_weights(gate: Floats, features: Floats, known: Known) -> Floats:
    """[n, m] w = softmax(features gate) over the models that have something to say, `known` [n, m]; rows sum to one.

    `gate`: [f, m]; `features`: [n, f]. At least one model of each row is known.
    Worked example: one feature 1, gate (ln 3, 0): weights 3/4 and 1/4, or 1 and 0 where the second is not known.
    """
    scores = np.where(known, features @ gate, _NOTHING)
    weights: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def fit_gate(
    features: Floats, probs: Floats, known: Known, start: Floats, strength: float = 1.0, rounds: int = 60
) -> Floats:
    """[f, m] the gate under which ln (sum over m of w[n, m] probs[n, m]), summed over the n tokens, less
    `strength` / 2 times its squared distance from `start`, is at a maximum that L-BFGS finds.

    `probs`: [n, m] of each token under each model. Tokens that no model thinks possible are left out. The gradient by
    the scores is (r - w), r being the share that each model has in a token's probability (Jacobs et al. 1991).
    """
    from scipy.optimize import minimize

    possible = (probs * known).sum(axis=1) > 0
    features, probs, known = features[possible], probs[possible], known[possible]
    probs = probs / (probs * known).max(axis=1, keepdims=True, initial=0.0)

    def loss(values: Floats) -> tuple[float, Floats]:
        gate = values.reshape(start.shape)
        weights = gate_weights(gate, features, known)
        shares = weights * probs
        sums = shares.sum(axis=1, keepdims=True)
        shares /= sums
        away = gate - start
        gradient = features.T @ (weights - shares) + strength * away
        return float(-np.log(sums).sum() + strength / 2 * (away**2).sum()), gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    return np.asarray(found.x, dtype=np.float64).reshape(start.shape)
