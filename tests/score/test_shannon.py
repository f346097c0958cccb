"""Shannon's bounds: his own table, values worked by hand, and what must hold of any ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.score.shannon import (
    Ranks,
    bounds,
    counted,
    doubt,
    gambling_bits,
    group_edges,
    lower_bound,
    mean_interval,
    paired_bounds,
    rank,
    upper_bound,
)

# Shannon 1951, table I: in how many of 100 cases the letter was found at guess 1, 2, ...
KNOWN_1 = [29.2, 14.8, 10.0, 8.6, 7.1, 5.5, 4.5, 3.6, 3.0, 2.6, 2.2, 1.9, 1.5, 1.2, 1.0, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2,
           0.1, 0.1]  # fmt: skip
KNOWN_3 = [47, 18, 14, *[21 / 17] * 17]  # as he smoothed it: "the remaining group totaling 21 was divided uniformly"


def plain(shares: list[float]) -> tuple[float, float]:
    """(lower, upper) by equation 17 as it stands."""
    q = [share / sum(shares) for share in shares] + [0.0]
    upper = -sum(share * math.log2(share) for share in q if share)
    lower = sum(i * (q[i - 1] - q[i]) * math.log2(i) for i in range(1, len(q)))
    return lower, upper


def shares(values: list[float], alphabet: int = 27) -> np.ndarray:
    return np.array([*values, *[0.0] * (alphabet - len(values))])


@pytest.mark.parametrize(
    ("column", "upper", "lower", "within"),
    [(KNOWN_1, 3.42, 2.50, 0.02), (KNOWN_3, 2.6, 1.7, 0.1)],
    ids=["digrams", "100 guesses"],
)
def test_shannons_table_gives_the_bounds_he_printed(
    column: list[float], upper: float, lower: float, within: float
) -> None:
    assert upper_bound(shares(column), 27) == pytest.approx(upper, abs=within)
    assert lower_bound(shares(column), 27) == pytest.approx(lower, abs=within)
    assert (lower_bound(shares(column), 27), upper_bound(shares(column), 27)) == pytest.approx(plain(column))


def test_shannons_rectangular_decomposition() -> None:
    """His figure 3: 0.60, 0.20, 0.05, 0.05 and four times 0.025."""
    q = [0.60, 0.20, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025]
    expected = 0.4 * 0 + 0.3 * 1 + 0 * math.log2(3) + 0.1 * 2 + 0.2 * 3
    assert lower_bound(shares(q), 27) == pytest.approx(expected)


def test_found_at_1_1_1_and_2() -> None:
    found = bounds(Ranks(np.array([0, 0, 0, 1]), np.ones(4, np.int64), 2))
    assert found.upper == pytest.approx(min(1, 0.75 * math.log2(4 / 3) + 0.25 * 2 + 1 / (8 * math.log(2))))
    assert found.lower == pytest.approx(0.5)
    assert (found.first, found.guesses, found.symbols) == (0.75, 1.25, 4)
    assert found.ci95_upper is None


def test_a_rank_is_the_number_of_likelier_symbols_and_ties_are_shared() -> None:
    log_probs = np.log([0.1, 0.4, 0.1, 0.3, 0.1])
    before, ties = rank(log_probs, np.array([0, 1, 2, 3, 4]))
    assert before.tolist() == [2, 0, 2, 1, 2]
    assert ties.tolist() == [3, 1, 3, 1, 3]
    assert counted(Ranks(before[:1], ties[:1], 5))[0] == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])


def test_the_order_of_ids_decides_nothing() -> None:
    generator = np.random.default_rng(0)
    log_probs = np.log(generator.choice([0.1, 0.2, 0.3], size=40))
    shuffled = generator.permutation(40)
    before, ties = rank(log_probs, np.arange(40))
    again = rank(log_probs[shuffled], np.argsort(shuffled))
    assert np.array_equal(before, again[0])
    assert np.array_equal(ties, again[1])


def test_impossible_symbols_are_tied() -> None:
    before, ties = rank(np.array([0.0, -np.inf, -np.inf]), np.array([2]))
    assert (before[0], ties[0]) == (1, 2)


@pytest.mark.parametrize("alphabet", [2, 27, 65, 4096])
def test_who_knows_nothing_finds_all_there_is_to_know(alphabet: int) -> None:
    """All symbols tied: both bounds are the logarithm of the alphabet, and not 0, which one and the same rank gives."""
    found = bounds(Ranks(np.zeros(50, np.int64), np.full(50, alphabet), alphabet))
    assert found.upper == pytest.approx(math.log2(alphabet))
    assert math.log2(alphabet) - 0.2 <= found.lower <= found.upper + 1e-12
    if alphabet <= 32:
        assert found.lower == pytest.approx(math.log2(alphabet))


def test_groups_of_far_ranks() -> None:
    edges = group_edges(100).tolist()
    assert edges[:34] == [*range(33), 36]
    assert edges[-5:] == [72, 80, 88, 96, 100]
    assert group_edges(27).tolist() == list(range(28))
    assert len(group_edges(32_000)) < 120


def test_grouping_raises_the_upper_and_lowers_the_lower_bound_by_little() -> None:
    q = 1 / np.arange(1, 4097) ** 1.3
    lower, upper = plain(q.tolist())
    edges = group_edges(4096)
    counts = np.add.reduceat(q, edges[:-1])
    assert upper <= upper_bound(counts, 4096) <= upper + 0.01
    assert lower - 0.05 <= lower_bound(counts, 4096) <= lower


def test_counts_out_of_order_are_put_in_order_for_the_lower_bound() -> None:
    """All found at guess 27, by someone who never names it before: equation 17 as it stands says 6.2 bits."""
    q = [0.0] * 26 + [1.0]
    assert plain(q)[0] > 6
    assert lower_bound(shares(q), 27) == upper_bound(shares(q), 27) == 0
    assert lower_bound(shares([1, 5, 2]), 27) == pytest.approx(plain([5, 2, 1])[0])


@given(st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), min_size=1, max_size=60), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_the_lower_bound_is_never_above_the_upper_nor_below_zero(found: list[tuple[int, int]], seed: int) -> None:
    before = np.array([place for place, _ in found])
    ties = np.minimum([tie for _, tie in found], 200 - before)
    made = bounds(Ranks(before, ties, 200), seed)
    counts = counted(Ranks(before, ties, 200))
    assert lower_bound(counts, 200)[0] <= upper_bound(counts, 200)[0] + 1e-9
    assert 0 <= made.lower <= made.upper <= math.log2(200) + 1e-9
    for value, interval in ((made.lower, made.ci95_lower), (made.upper, made.ci95_upper)):
        assert interval is None or 0 <= interval[0] <= value <= interval[1]


def test_ranks_of_a_known_source_bracket_its_entropy() -> None:
    """An order-1 source of four symbols whose entropy is known, guessed in the best order."""
    table = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0, 0, 0.1, 0.9]])
    values, vectors = np.linalg.eig(table.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    logs = np.log2(np.where(table > 0, table, 1))
    rate = float(-(stationary[:, None] * table * logs).sum())
    generator, state, before, ties = np.random.default_rng(4), 0, [], []
    with np.errstate(divide="ignore"):
        scores = np.log(table)
    for _ in range(4000):
        symbol = int(generator.choice(4, p=table[state]))
        above, level = rank(scores[state], np.array([symbol]))
        before.append(above[0])
        ties.append(level[0])
        state = symbol
    found = bounds(Ranks(np.array(before), np.array(ties), 4))
    assert found.ci95_lower is not None
    assert found.ci95_upper is not None
    assert found.ci95_lower[0] < rate < found.ci95_upper[1]
    assert found.lower < rate < found.upper


@pytest.mark.parametrize(("size", "least"), [(100, 0.75), (1000, 0.88)])
def test_how_often_intervals_hold_the_truth(size: int, least: float) -> None:
    q = 1 / np.arange(1, 28) ** 1.6
    q /= q.sum()
    lower, upper = plain(q.tolist())
    generator, held = np.random.default_rng(1), np.zeros(2)
    for seed in range(60):
        drawn = Ranks(generator.choice(27, size=size, p=q), np.ones(size, np.int64), 27)
        made = bounds(drawn, seed)
        assert made.ci95_lower is not None
        assert made.ci95_upper is not None
        held += [made.ci95_lower[0] <= lower <= made.ci95_lower[1], made.ci95_upper[0] <= upper <= made.ci95_upper[1]]
    assert (held / 60 >= least).all()


def test_two_guessers_are_paired() -> None:
    generator = np.random.default_rng(2)
    ones = np.ones(200, np.int64)
    good = Ranks(generator.integers(0, 3, 200), ones, 27)
    bad = Ranks(np.minimum(26, good.before * 2 + generator.integers(0, 3, 200)), ones, 27)
    same = paired_bounds(good, good)
    assert same == {"lower": (0, (0, 0)), "upper": (0, (0, 0)), "guesses": (0, (0, 0))}
    found = paired_bounds(good, bad)
    for name in ("lower", "upper", "guesses"):
        value, interval = found[name]
        assert interval is not None
        assert interval[0] <= value <= interval[1] < 0
    assert found["guesses"][0] == pytest.approx(good.mean - bad.mean)
    with pytest.raises(ValueError, match="same symbols"):
        paired_bounds(good, Ranks(good.before[:9], ones[:9], 27))


def test_bets() -> None:
    assert gambling_bits(np.array([0.5, 0.5]), 4) == pytest.approx(1.0)
    assert gambling_bits(np.full(7, 1 / 27), 27) == pytest.approx(math.log2(27))
    # log2 of 0.9, 0.2 and 0.5 are -0.152, -2.322 and -1
    assert gambling_bits(np.array([0.9, 0.2, 0.5]), 27) == pytest.approx((0.1520 + 2.3219 + 1) / 3, abs=1e-4)
    assert gambling_bits(np.array([0.9, 0.0]), 27) == math.inf


def test_a_mean_has_an_interval_from_25_symbols_on() -> None:
    assert mean_interval(np.ones(24)) is None
    assert mean_interval(np.full(25, 2.0)) == (2.0, 2.0)


def test_the_upper_bound_is_not_biased_low_to_first_order() -> None:
    """Of 75 and 25 ranks: 1 / 200 nats more than the plain value, and never more than the alphabet's logarithm."""
    ones = np.ones(100, np.int64)
    plain = 0.75 * math.log2(4 / 3) + 0.25 * 2
    found = bounds(Ranks(np.repeat([0, 1], [75, 25]), ones, 27))
    assert found.upper == pytest.approx(plain + 1 / (200 * math.log(2)))
    assert found.ci95_upper is not None
    assert found.ci95_upper[0] <= found.upper <= found.ci95_upper[1]
    q = 1 / np.arange(1, 28) ** 1.6
    q /= q.sum()
    truth, generator = plain_upper(q), np.random.default_rng(5)
    errors = [
        bounds(Ranks(generator.choice(27, size=1000, p=q), np.ones(1000, np.int64), 27)).upper - truth
        for _ in range(100)
    ]
    assert abs(float(np.mean(errors))) < 0.012  # the plain value is 0.019 too low


def plain_upper(q: np.ndarray) -> float:
    return plain(q.tolist())[1]


def test_a_difference_is_that_of_the_bounds() -> None:
    generator = np.random.default_rng(3)
    ones = np.ones(100, np.int64)
    one, two = Ranks(generator.integers(0, 3, 100), ones, 27), Ranks(generator.integers(0, 20, 100), ones, 27)
    assert paired_bounds(one, two)["upper"][0] == pytest.approx(bounds(one).upper - bounds(two).upper)


def test_few_symbols_are_doubted_where_there_is_an_interval() -> None:
    assert "fewer than 500 symbols (here 60)" in doubt(60, (1.0, 2.0))
    assert doubt(60, None) == doubt(500, (1.0, 2.0)) == ""
