"""A law that was planted is found again within its interval; a curve that carries none is refused, and says why."""

from __future__ import annotations

import numpy as np
import pytest
from entropy_texts import char_tokens, id_tokens, nothing

from lmbench.entropy import estimators
from lmbench.entropy._ansatz import REPLICATES, Ansatz, Floats, extrapolate
from lmbench.entropy._curves import conditional_entropies, prequential_rates, shuffled_spans
from lmbench.entropy._symbols import symbols_of
from lmbench.entropy.base import Estimate
from lmbench.entropy.block import Block
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.spec import Spec

SIZES = np.geomspace(1e3, 1e6, 15)


def planted(ansatz: Ansatz, limit: float, amplitude: float, exponent: float) -> Floats:
    falling = amplitude * SIZES**-exponent
    values: Floats = limit + falling if ansatz == "power" else limit * np.exp(falling)
    return values


def copies(values: Floats, noise: float, seed: int = 0) -> Floats:
    return values * (1 + noise * np.random.default_rng(seed).standard_normal((REPLICATES, len(values))))


def test_the_worked_example() -> None:
    """F_n = 1 + 2 / n at n = 1 .. 6."""
    sizes = np.arange(1.0, 7)
    values = 1 + 2 / sizes
    found = extrapolate(sizes, values, copies(values, 0.0), "power")
    assert found.limit == pytest.approx(1, abs=0.02)
    assert found.exponent == pytest.approx(1, rel=0.02)
    assert found.amplitude == pytest.approx(2, rel=0.02)
    assert found.at(sizes) == pytest.approx(values, rel=1e-3)


@pytest.mark.parametrize("ansatz", ["power", "stretched"])
@pytest.mark.parametrize(("limit", "amplitude", "exponent"), [(1.0, 20.0, 0.4), (2.5, 8.0, 0.25), (0.3, 30.0, 0.6)])
def test_planted_parameters_lie_in_their_intervals(
    ansatz: Ansatz, limit: float, amplitude: float, exponent: float
) -> None:
    exact = planted(ansatz, limit, amplitude, exponent)
    values = exact * (1 + 0.002 * np.random.default_rng(7).standard_normal(len(exact)))
    found = extrapolate(SIZES, values, copies(values, 0.002), ansatz)
    assert found.limit_interval[0] <= limit <= found.limit_interval[1]
    assert found.exponent_interval[0] <= exponent <= found.exponent_interval[1]
    assert found.amplitude_interval[0] <= amplitude <= found.amplitude_interval[1]
    assert found.limit == pytest.approx(limit, rel=0.15)


def test_a_law_that_begins_late_is_fitted_where_it_holds() -> None:
    values = planted("power", 1.0, 20.0, 0.4)
    values[:2] *= 1.4
    found = extrapolate(SIZES, values, copies(values, 0.001), "power")
    assert found.first == 2
    assert found.limit == pytest.approx(1.0, rel=0.02)


def test_a_level_curve_is_its_own_limit() -> None:
    values = np.full(8, 1.5)
    found = extrapolate(SIZES[:8], values, copies(values, 0.002), "power")
    assert found.limit == pytest.approx(1.5, rel=0.01)


def refused(values: Floats, noise: float, because: str, sizes: Floats = SIZES) -> None:
    with pytest.raises(LmbenchError, match=because) as error:
        extrapolate(sizes, values, copies(values, noise), "power")
    assert "\n" not in str(error.value)


def test_what_the_data_cannot_carry_is_refused() -> None:
    law = planted("power", 1.0, 20.0, 0.4)
    refused(law[:4], 0.001, "4 points are too few", SIZES[:4])
    refused(np.append(law[:-1], 0.0), 0.001, "comes down to 0")
    rising = law.copy()
    rising[7] = rising[4]
    refused(rising, 0.001, "rises, from .* not of one kind")
    refused(planted("power", 0.0, 20.0, 0.4), 0.001, "at its bound of 0")
    refused(law, 0.4, "may be anything from")
    refused(5 - 0.5 * np.log10(SIZES), 0.0001, "logarithm|bound of 0|further below")
    refused(3 - 2 * (SIZES / SIZES[-1]) ** 2, 0.001, "off by more than 2%")


def only(spec: str, text: object) -> Estimate:
    tokens = char_tokens(text) if isinstance(text, str) else id_tokens(np.asarray(text), 4)
    [found] = estimators.make(spec).estimate(nothing(tokens), tokens, Silent())
    return found


@pytest.fixture(scope="module")
def chain() -> np.ndarray:
    """A Markov chain of order 1 over 4 symbols: from each to the next two, 3/4 and 1/4; rate 0.8113 bits."""
    rng = np.random.default_rng(11)
    steps = 1 + (rng.random(60_000) < 0.25)
    return np.cumsum(steps) % 4


RATE = 0.75 * np.log2(4 / 3) + 0.25 * 2


def test_conditional_entropies_are_those_of_block(chain: np.ndarray) -> None:
    tokens = id_tokens(chain, 4)
    curve = conditional_entropies(symbols_of(tokens), 5, 0.99, Silent())
    [block] = Block(unit="char", order=5).estimate(nothing(tokens), tokens, Silent())
    assert curve.values == pytest.approx(block.curve["conditional_entropy_bits"][: len(curve.values)])
    assert curve.replicates.mean(axis=0) == pytest.approx(curve.values, abs=0.01)


def test_a_chain_of_known_rate(chain: np.ndarray) -> None:
    for spec in ("extrapolation(of=block)", "extrapolation(coder=ngram(order=3))"):
        found = only(spec, chain)
        assert found.kind == "estimate"
        assert found.interval is not None
        assert found.interval[0] - 0.01 <= RATE <= found.interval[1] + 0.01
        assert found.bits_per_character == pytest.approx(RATE, abs=0.03)
        assert "interval: bootstrap" in found.note


def test_a_compressors_code_length_is_read_in_bytes(chain: np.ndarray) -> None:
    text = "".join("abcd"[symbol] for symbol in chain)
    try:
        found = only("extrapolation(coder=bz2)", text)
    except LmbenchError as error:
        assert str(error).startswith("code length of bz2 is not extrapolated: ")  # noqa: PT017
        return
    assert found.bits_per_character == pytest.approx(found.bits_per_byte)
    assert found.bits_per_character > 0


def test_rates_are_those_of_the_first_n_symbols(chain: np.ndarray) -> None:
    tokens = id_tokens(chain[:4000], 4)
    whole = prequential_rates(Spec("uniform"), tokens, Silent())
    assert whole.values == pytest.approx(np.log2(5) * len(tokens) / (len(tokens) - 1))  # 4 symbols and an end
    assert (np.diff(whole.sizes) > 0).all()
    local = prequential_rates(Spec("uniform"), tokens, Silent(), local=True)
    assert local.values == pytest.approx(whole.values[: len(local.values)])


def test_shuffled_spans_are_the_same_text_in_another_order(chain: np.ndarray) -> None:
    tokens = id_tokens(chain[:4000], 4)
    shuffled = shuffled_spans(tokens, 0)
    assert (shuffled.counts == tokens.counts).all()
    assert len(shuffled.documents) == 4000 // 500
    assert not (shuffled.ids == tokens.ids).all()


@pytest.mark.parametrize("text", ["a", "ab", "abcdefgh", "a" * 300, "ab" * 500])
@pytest.mark.parametrize("of", ["block", "code_length"])
def test_short_and_simple_texts_get_one_line(text: str, of: str) -> None:
    with pytest.raises(LmbenchError) as error:
        only(f"extrapolation(of={of})", text)
    assert "is not extrapolated: " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("extrapolation(coder=extrapolation)", "compressor or a model"),
        ("extrapolation(coder=nonsense)", "nonsense"),
        ("extrapolation(order=0)", "at least 1"),
        ("extrapolation(coverage=2.0)", "between 0 and 1"),
    ],
)
def test_wrong_settings(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        estimators.make(spec)
