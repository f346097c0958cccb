"""The falling curves that are extrapolated, each with bootstrap copies of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy import estimators
from lmbench.entropy._ansatz import REPLICATES
from lmbench.entropy._intervals import block_sums_at
from lmbench.entropy._ngrams import ngram_orders
from lmbench.entropy._symbols import Symbols, show_sorting, symbols_of
from lmbench.entropy.base import Estimator
from lmbench.entropy.corrections.miller_madow import MillerMadow
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Silent
from lmbench.runtime import Runtime
from lmbench.score.prequential import block_bounds, learner, prequential_code
from lmbench.spec import Spec
from lmbench.tokens import Tokens

Floats = NDArray[np.float64]

_SHORTEST = 500  # symbols: a code that has learnt from fewer has its own start to tell of, not the source
_PER_DOUBLING = 2  # blocks of the prequential code
_SPANS = 20  # of a block, drawn again with replacement
_SHUFFLED = 200  # spans of a text that are put into another order; more where they would be longer than
_LONGEST = 10_000  # symbols, so that the first points of the curve are of a large text's many books, too
_PIECES = 8  # of a text, each compressed for itself
_FEWEST_PIECES = 4
_NET_SECONDS = 60.0  # to train a net, all blocks together


@dataclass(frozen=True, eq=False)
class Curve:
    """`sizes` [k] ascending, `values` [k] bits, `replicates` [r, k] bootstrap copies of the values.

    `per_character`, `per_byte`: what turns a value into bits per character and byte, None where the
    vocabulary loses text. `about`: in words, what was measured.
    """

    sizes: Floats
    values: Floats
    replicates: Floats
    per_character: float | None
    per_byte: float | None
    about: str


def conditional_entropies(symbols: Symbols, order: int, coverage: float, progress: Progress, seed: int = 0) -> Curve:
    """F_n against n, 1 .. `order`, as far as the Good-Turing coverage of the n-grams is at least `coverage`.

    Miller-Madow's correction. A replicate weighs the blocks of the text by how often they were drawn, the counts held
    fixed, and so moves all F_n together; since the correction may leave part of the plug-in value's first-order bias,
    (K_n - K_(n-1)) / 2N, a share of it, drawn from 0 to 1, is added to all of them. Raises LmbenchError for fewer
    than 2 symbols, and where not even these are covered.
    """
    if len(symbols) < 2:
        raise LmbenchError(f"F_n needs at least 2 symbols, the text has {len(symbols)}; give more text")
    correct = MillerMadow()
    values, biases, sums = [], [], []
    with progress.task("conditional entropies", min(order, int(symbols.remaining.max()))) as task:
        for found in ngram_orders(symbols, order, show_sorting(task)):
            if found.ngrams.coverage < coverage:
                break
            values.append(max(0.0, correct(found.ngrams) - correct(found.histories)) / math.log(2))
            biases.append((found.ngrams.distinct - found.histories.distinct) / (2 * found.ngrams.total * math.log(2)))
            windows = np.broadcast_to(1, len(found.positions))
            sums.append(block_sums_at(found.positions, len(symbols), found.surprisals(), windows))
            task.advance()
    if not values:
        raise LmbenchError("not even single symbols are seen often enough; give more text, or smaller units")
    stacked = np.array(sums).reshape(len(sums), -1, 2)  # [n, blocks, 2]
    rng = np.random.default_rng(seed)
    blocks = stacked.shape[1]
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), REPLICATES) if blocks else np.zeros((REPLICATES, 0))
    resampled = np.einsum("rb,nbs->rns", drawn, stacked)
    plug_in = stacked.sum(axis=1)
    shift = resampled[..., 0] / np.maximum(resampled[..., 1], 1) - plug_in[:, 0] / np.maximum(plug_in[:, 1], 1)
    return Curve(
        np.arange(1.0, len(values) + 1),
        np.array(values),
        np.array(values) + shift + rng.random((REPLICATES, 1)) * np.array(biases),
        symbols.per_character(1.0),
        len(symbols) / symbols.bytes if symbols.bytes else None,
        f"F_n, n = 1 to {len(values)}, as far as coverage is at least {coverage}, of {len(symbols):,} symbols",
    )


def shuffled_spans(text: Tokens, seed: int) -> Tokens:
    """Spans of equal length in an order drawn at random, each a document of its own.

    There are 200; fewer in a text that is shorter than 100,000 symbols, more in one of over 2,000,000.
    """
    spans = max(1, min(max(_SHUFFLED, len(text) // _LONGEST), len(text) // _SHORTEST))
    bounds = np.arange(spans + 1) * len(text) // spans
    order = np.random.default_rng(seed).permutation(spans)
    ids = np.concatenate([text.ids[bounds[span] : bounds[span + 1]] for span in order])
    lengths = np.diff(bounds)[order]
    return Tokens(ids, (np.cumsum(lengths) - lengths).astype(np.int64), text.vocabulary)


def prequential_rates(spec: Spec, text: Tokens, progress: Progress, seed: int = 0, *, local: bool = False) -> Curve:
    """Code length per symbol of the first n symbols against n: a model's prequential code, two blocks a doubling.

    `local`: bits per symbol of each block alone, against the symbols that its model had learnt from. The text is
    read in spans of a random order, so that the curve tells of learning, and not of where a text changes. A replicate
    draws the spans of every block again, each block by itself. Raises LmbenchError for a model that has no code,
    or a text that is too short.
    """
    if len(text) <= _SHORTEST:
        raise LmbenchError(f"a code length has {_SHORTEST} symbols to learn from first, the text has {len(text)}")
    symbols = symbols_of(text)
    text = shuffled_spans(text, seed)
    bounds = block_bounds(len(text), _PER_DOUBLING * max(1, len(block_bounds(len(text))) - 2) + 1)
    learn = learner(spec, Runtime(seed=seed, train_seconds=_NET_SECONDS), Silent())
    code = prequential_code(learn, text, bounds, progress, f"prequential code of {spec}")
    scale = len(text) / max(1, len(symbols)) / math.log(2)  # an end of text without bytes is no symbol
    rng = np.random.default_rng(seed)
    copies = np.zeros((REPLICATES, len(bounds) - 1))
    for place, (start, stop) in enumerate(pairwise(bounds.tolist())):
        spans = max(1, min(_SPANS, (stop - start) // 10))
        sums = np.add.reduceat(-code.log_probs[start:stop], np.arange(spans) * (stop - start) // spans)
        copies[:, place] = rng.multinomial(spans, np.full(spans, 1 / spans), REPLICATES) @ sums
    lengths = np.diff(bounds).astype(np.float64)
    if local:
        sizes, values, replicates = bounds[:-1].astype(np.float64), code.nats / lengths, copies / lengths
        about = f"bits per symbol of each block of {len(symbols):,}, after {spec} had learnt n before it"
    else:
        sizes = bounds[1:].astype(np.float64)
        values, replicates = np.cumsum(code.nats) / sizes, np.cumsum(copies, axis=1) / sizes
        fits = len(bounds) - 2
        about = f"bits per symbol of the first n of {len(symbols):,}, spans shuffled, {spec} fitted {fits} times"
    long = sizes >= _SHORTEST
    return Curve(
        sizes[long],
        values[long] * scale,
        replicates[:, long] * scale,
        symbols.per_character(1.0),
        len(symbols) / symbols.bytes if symbols.bytes else None,
        about,
    )


def compressed_rates(spec: Spec, text: Tokens, progress: Progress, seed: int = 0) -> Curve:
    """A compressor's bits per symbol of pieces of n symbols against n, which doubles up to the whole text.

    At each n up to 8 pieces, spread over the text, are compressed each for itself and averaged. A replicate adds
    noise of the spread among pieces, which is taken to fall as 1 / sqrt(n) where there are fewer than 4 of them.
    """
    coder: Estimator = estimators.make(spec)
    halvings = int(math.log2(max(1.0, len(text) / _SHORTEST)))
    sizes = np.array([len(text) // 2**power for power in range(halvings, -1, -1)])
    symbols = symbols_of(text)
    rates: list[Floats] = []
    work = sum(min(_PIECES, len(text) // size) * size for size in sizes.tolist())
    with progress.task(f"code lengths of {spec}", work) as task:
        for size in sizes.tolist():
            pieces = min(_PIECES, len(text) // size)
            starts = [place * len(text) // pieces for place in range(pieces)]
            rates.append(np.array([_rate(coder, text.head(start + size).tail(size)) for start in starts]))
            task.advance(pieces * size)
    many = [(size, rate.std(ddof=1)) for size, rate in zip(sizes, rates, strict=True) if len(rate) >= _FEWEST_PIECES]
    noise = float(np.median([spread * math.sqrt(size) for size, spread in many])) if many else 0.0
    errors = noise / np.sqrt(sizes * np.array([len(rate) for rate in rates]))
    values = np.array([float(rate.mean()) for rate in rates])
    scale = text.bytes / max(1, len(symbols))
    copies = values + errors * np.random.default_rng(seed).standard_normal((REPLICATES, len(values)))
    return Curve(
        sizes.astype(np.float64),
        values * scale,
        copies * scale,
        symbols.per_character(1.0),
        len(symbols) / symbols.bytes if symbols.bytes else None,
        f"bits per symbol of pieces of n symbols, up to the whole {len(symbols):,}, under {spec}",
    )


def _rate(coder: Estimator, piece: Tokens) -> float:
    """Bits per byte of a piece, given nothing."""
    found = coder.estimate(piece.head(0), piece, Silent())
    bound = next((one.bits_per_byte for one in found if one.kind == "upper bound" and one.bits_per_byte), None)
    if bound is None:
        raise LmbenchError("its figure is no code length: take a compressor or a model")
    return bound
