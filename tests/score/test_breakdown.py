from __future__ import annotations

import numpy as np

from lmbench.score.breakdown import breakdown, doubling


def test_breakdown_by_hand() -> None:
    losses = {"m": np.array([1.0, 2.0, 4.0]), "n": np.array([2.0, 2.0, 2.0])}
    found = breakdown("kind", ["a", "empty", "b"], np.array([0, 2, 2]), losses)
    assert found.models == ("m", "n")
    assert [(group.label, group.tokens, group.nats) for group in found.groups] == [
        ("a", 1, (1.0, 2.0)),
        ("b", 2, (3.0, 2.0)),
    ]
    assert sum(group.share for group in found.groups) == 1


def test_doubling_by_hand() -> None:
    labels, places = doubling(np.array([0, 1, 2, 3, 4, 5, 8, 9, 1000]), 8)
    assert [labels[place] for place in places] == [
        "0",
        "1",
        "2",
        "3-4",
        "3-4",
        "5-8",
        "5-8",
        "9 and more",
        "9 and more",
    ]
