"""Every estimator that reads symbols, on the same text of a dozen, worked by hand: "abracadabra!".

a 5 times, b and r twice, c, d and ! once. Of its 11 bigrams ab, br and ra occur twice, ac, ca, ad, da and a! once.
From place 2 on (0 is the first) each symbol begins 1 more than its longest match with what stands before:

    place   2 3 4 5 6 7 8 9 10 11
    symbol  r a c a d a b r a  !
    length  1 2 1 2 1 5 4 3 2  1
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from entropy_texts import char_tokens, nothing

from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate
from lmbench.progress import Silent

TEXT = "abracadabra!"
LENGTHS = [1, 2, 1, 2, 1, 5, 4, 3, 2, 1]
EULER = 0.5772156649015329
LOG2_E = 1 / math.log(2)


def estimate(spec: str) -> Estimate:
    text = char_tokens(TEXT)
    [found] = estimators.make(spec).estimate(nothing(text), text, Silent())
    return found


def entropy(*shares: float) -> float:
    return -sum(share * math.log2(share) for share in shares)


def plug_in(*counts: int) -> float:
    return entropy(*(count / sum(counts) for count in counts))


def grassberger(*counts: int) -> float:
    g = {1: -EULER - math.log(2), 2: 2 - EULER - math.log(2)}
    g |= {3: g[2], 4: g[2] + 2 / 3, 5: g[2] + 2 / 3}
    total = sum(counts)
    return (math.log(total) - sum(count * g[count] for count in counts) / total) * LOG2_E


def chao_shen(coverage: float, *counts: int) -> float:
    total = sum(counts)
    seen = [coverage * count / total for count in counts]
    return sum(-share * math.log2(share) / (1 - (1 - share) ** total) for share in seen)


def james_stein(cells: int, shrink: float, *counts: int) -> float:
    total = sum(counts)
    shares = [shrink / cells + (1 - shrink) * count / total for count in counts]
    unseen = cells - len(counts)
    return entropy(*shares, *[shrink / cells] * unseen)


ONE, TWO, HISTORIES = (5, 2, 2, 1, 1, 1), (2, 2, 2, 1, 1, 1, 1, 1), (5, 2, 2, 1, 1)

# correction: (H_1, H_2, entropy of the first symbols of the bigrams); H_2 less that is F_2
BLOCK = {
    "plug_in": (plug_in(*ONE), plug_in(*TWO), plug_in(*HISTORIES)),
    "miller_madow": (
        plug_in(*ONE) + 5 / 24 * LOG2_E, plug_in(*TWO) + 7 / 22 * LOG2_E, plug_in(*HISTORIES) + 4 / 22 * LOG2_E,
    ),
    "grassberger": (grassberger(*ONE), grassberger(*TWO), grassberger(*HISTORIES)),
    "chao_shen": (chao_shen(9 / 12, *ONE), chao_shen(6 / 11, *TWO), chao_shen(9 / 11, *HISTORIES)),
    # lambda: squares of the shares 36/144, 17/121 and 35/121, of 6, 36 and 6 cells
    "james_stein": (
        james_stein(6, (3 / 4) / (11 * (1 / 4 - 1 / 6)), *ONE),
        james_stein(36, (104 / 121) / (10 * (17 / 121 - 1 / 36)), *TWO),
        james_stein(6, (86 / 121) / (10 * (35 / 121 - 1 / 6)), *HISTORIES),
    ),
}  # fmt: skip


@pytest.mark.parametrize("correction", BLOCK)
def test_block_entropies(correction: str) -> None:
    one, two, histories = BLOCK[correction]
    found = estimate(f"block(correction={correction}, coverage=0, order=2)")
    assert found.curve["block_entropy_bits"] == pytest.approx([one, two])
    assert found.curve["conditional_entropy_bits"] == pytest.approx([one, two - histories])
    assert found.curve["coverage"] == pytest.approx([9 / 12, 6 / 11])
    assert found.bits_per_character == pytest.approx(two - histories)


def test_plug_in_figures() -> None:
    assert BLOCK["plug_in"][0] == pytest.approx(math.log2(12) - (5 * math.log2(5) + 4) / 12)
    assert BLOCK["plug_in"][0] == pytest.approx(2.2842, abs=1e-4)
    assert BLOCK["plug_in"][1] - BLOCK["plug_in"][2] == pytest.approx((5 * math.log2(5) - 2) / 11)


def test_match_lengths() -> None:
    logs = [math.log2(place) for place in range(2, 12)]
    lengths = 10 / sum(length / log for length, log in zip(LENGTHS, logs, strict=True))
    rates = sum(log / length for length, log in zip(LENGTHS, logs, strict=True)) / 10
    assert estimate("match_length").bits_per_character == pytest.approx(lengths)
    assert lengths == pytest.approx(1.1158, abs=1e-4)
    assert estimate("match_length(average=rates)").bits_per_character == pytest.approx(rates)
    slope = float(np.polyfit(logs, LENGTHS, 1)[0])
    assert estimate("match_length(average=slope)").bits_per_character == pytest.approx(1 / slope)


def test_match_lengths_in_a_window_of_four() -> None:
    """From place 4 on: abra at 7 is 7 back, so that only its a, 2 back, is in reach."""
    lengths = [1, 2, 1, 2, 1, 1, 2, 1]
    assert estimate("match_length(window=4)").bits_per_character == pytest.approx(8 / sum(x / 2 for x in lengths))


def test_lempel_ziv_phrases() -> None:
    """1976: a | b | r | ac | ad | abra!; 1978: a | b | r | ac | ad | ab | ra | !"""
    assert estimate("lz76").bits_per_character == pytest.approx(6 * math.log2(12) / 12)
    assert estimate("lz78").bits_per_character == pytest.approx(8 * 3 / 12)
