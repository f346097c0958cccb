"""What a row of the table says, from one array of log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.score.bootstrap import Interval
from lmbench.score.interval import layout_of, seeded
from lmbench.tokens import Tokens

BITS = 1 / math.log(2)  # bits in a nat


@dataclass(frozen=True)
class Score:
    """A model's figures on one text. What is not defined is None, never infinite or NaN.

    `zero_probability_tokens` counts the tokens that the model called impossible: with one of them the cross-entropy
    is infinite, and is None here. `mean_nats` stands where there is no cross-entropy, for that reason or because the
    model is not a distribution: minus the mean log-score of the tokens that have one.
    `unknown_share`: of the tokens, those that are the unknown one, where there is such a one. `word_perplexity`: e to
    the nats by word of the text. `blocks` says between what the text was seen to differ: what the intervals are made
    of.
    """

    tokens: int
    nats_per_token: float | None = None
    bits_per_token: float | None = None
    bits_per_character: float | None = None
    bits_per_byte: float | None = None
    perplexity: float | None = None
    ci95_nats_per_token: Interval | None = None
    ci95_bits_per_byte: Interval | None = None
    zero_probability_tokens: int = 0
    mean_nats: float | None = None
    blocks: str = ""
    unknown_share: float | None = None
    word_perplexity: float | None = None


def with_unknown(log_probs: NDArray[np.float64], tokens: Tokens) -> NDArray[np.float64]:
    """[n] nats: what a model of the ids gives each token, and what the token costs beside its id.

    That is the spelling of an unknown word and the white space before each, where the tokenizer keeps them, or the
    choice among `unknown_types`: no model of the ids predicts it, so that it is added here, alike for all.
    """
    beside = tokens.unknown_log_probs
    return log_probs if beside is None else log_probs + beside


def measure(
    log_probs: NDArray[np.float64],
    tokens: Tokens,
    *,
    distribution: bool = True,
    own_tokens: bool = False,
    words: int | None = None,
    trainings: Sequence[float] = (),
) -> Score:
    """The Score of `log_probs` [n] in nats, one for each of `tokens`.

    Cross-entropy is -sum(log_probs) / n, documents' end tokens included; bits per character
    and per byte divide the same sum by the length of the text the tokens stand for, and are
    None where the tokens lose text; so is the perplexity by word, of which the text has `words`
    (`str.split()`). Of a model with tokens of its own (`own_tokens`) these figures are all there is:
    none per token. `trainings`: nats that each training lost on the text, of a model that was trained several times, of
    whose log-probabilities these are the mean; the intervals then hold what trainings differ by. Raises LmbenchError
    where the array is not one of
    log-probabilities: wrong length, NaN, +inf, or above zero for a distribution.

    Worked example: two tokens of probability 1/2 and 1/8 that stand for 4 bytes have
    (1 + 3) bits: 2 bits/token, 1 bit/byte, perplexity 4.
    """
    _check(log_probs, tokens, distribution)
    impossible = int(np.count_nonzero(np.isneginf(log_probs)))
    unknown = tokens.vocabulary.unknown
    share = None if unknown is None else float(np.mean(tokens.ids == unknown))
    if impossible or not distribution:
        known = log_probs[~np.isneginf(log_probs)]
        mean = -float(known.sum()) / len(known) if len(known) else None
        return Score(len(tokens), zero_probability_tokens=impossible, mean_nats=mean, unknown_share=share)
    nats = -log_probs
    total = float(nats.sum())
    layout = layout_of(tokens)
    sums = layout.sums(nats)
    per_token = total / len(tokens)
    lossless = tokens.lossless and tokens.bytes > 0
    lengths = tokens.byte_lengths if lossless else None
    by_token = seeded(layout.estimate(sums, layout.sums(np.ones(len(tokens)))), np.array(trainings) / len(tokens))
    bits = None
    if lengths is not None:
        found = layout.estimate(sums * BITS, layout.sums(lengths))
        bits = seeded(found, np.array(trainings) * BITS / tokens.bytes).interval
    score = Score(
        tokens=len(tokens),
        nats_per_token=per_token,
        bits_per_token=per_token * BITS,
        bits_per_character=total * BITS / tokens.characters if lossless else None,
        bits_per_byte=total * BITS / tokens.bytes if lossless else None,
        perplexity=_perplexity(per_token),
        ci95_nats_per_token=by_token.interval,
        ci95_bits_per_byte=bits,
        blocks=layout.blocks,
        unknown_share=share,
        word_perplexity=_perplexity(total / words) if lossless and words else None,
    )
    if not own_tokens:
        return score
    return replace(score, nats_per_token=None, bits_per_token=None, perplexity=None, ci95_nats_per_token=None)


def _perplexity(nats: float) -> float | None:
    return math.exp(nats) if nats < 700 else None


def _check(log_probs: NDArray[np.float64], tokens: Tokens, distribution: bool) -> None:
    if log_probs.shape != (len(tokens),):
        raise LmbenchError(f"the model gave {log_probs.shape} log-probabilities for {len(tokens)} tokens: report this")
    if not len(tokens):
        raise LmbenchError("there is no token to score: the test split is empty; give a longer text or --test PATH")
    wrong = np.isnan(log_probs) | np.isposinf(log_probs)
    if distribution:
        wrong |= log_probs > 1e-4
    if wrong.any():
        at = int(np.argmax(wrong))
        raise LmbenchError(
            f"the model gave {log_probs[at]} for test token {at}, which is no log-probability: "
            "it has diverged or is wrong; give it less to fit, or report this"
        )
