"""Branching entropy: how uncertain a model is of what follows, at every place of a text.

Harris 1955 saw that more letters can follow where a word has ended than inside it; Jin & Tanaka-Ishii 2006 measure it
by the entropy of what follows. The Byte Latent Transformer cuts its patches there (Pagnoni et al. 2024, section 2.3).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.model.base import Context, Model, distributions, window_log_probs
from lmbench.progress import Progress
from lmbench.tokens import Tokens

Floats = NDArray[np.float64]
Rule = Literal["global", "rise"]

RULES: tuple[Rule, ...] = ("global", "rise")
_LONGEST = 16  # tokens of context up to which equal contexts are asked about once
_LEAST = -1e9  # nats: of what is impossible, whose share in an entropy is none
_CELLS = 1 << 22  # probabilities held at once
_DIGITS = 9  # below which entropies that differ are taken for equal, so that no cut depends on the order of additions


def branching_entropies(model: Model, tokens: Tokens, progress: Progress) -> Floats:
    """[n] nats: the entropy of what the model predicts at each of `tokens`, before it knows the token.

    Of a model that looks back a few tokens only, each distinct context is asked about once.
    """
    if not len(tokens):
        return np.zeros(0)
    context = model.card.context
    with progress.task("asking what follows", len(tokens)) as task:
        if context is None or context > _LONGEST or model.card.adaptive:
            found = []
            for log_probs in distributions(model, tokens):
                found.append(entropies_of(log_probs))
                task.advance(len(log_probs))
            entropies = np.concatenate(found)
        else:
            entropies = _by_context(model, tokens, context)
            task.advance(len(tokens))
    return np.round(entropies, _DIGITS)


def _by_context(model: Model, tokens: Tokens, context: int) -> Floats:
    """[n] of a model that looks back `context` tokens, and no further than the beginning of a document."""
    ids, places = np.asarray(tokens.ids).astype(np.int64), tokens.places
    entropies = np.zeros(len(ids))
    known: dict[tuple[int, ...], float] = {}
    for place in np.flatnonzero(places < context).tolist():
        before: Context = ids[place - places[place] : place]
        key = tuple(before.tolist())
        if key not in known:
            known[key] = float(entropies_of(model.next_log_probs(before)[None])[0])
        entropies[place] = known[key]
    inside = np.flatnonzero(places >= context)
    if not len(inside):
        return entropies
    if context == 0:
        entropies[inside] = entropies_of(model.next_log_probs(ids[:0])[None])[0]
        return entropies
    windows, which = np.unique(ids[inside[:, None] + np.arange(-context, 0)], axis=0, return_inverse=True)
    size = max(1, _CELLS // len(tokens.vocabulary))
    parts = [
        entropies_of(window_log_probs(model, windows[start : start + size])) for start in range(0, len(windows), size)
    ]
    entropies[inside] = np.concatenate(parts)[which.ravel()]
    return entropies


def entropies_of(log_probs: NDArray[np.float64]) -> Floats:
    """[q] nats: the entropy of each of `log_probs` [q, V].

    Worked example: probabilities (1/2, 1/4, 1/4, 0) have 1.5 ln 2.
    """
    probs = np.exp(log_probs)
    found: Floats = -(probs * np.maximum(log_probs, _LEAST)).sum(axis=1)
    return found


def rising(entropies: Floats, begins: NDArray[np.bool_]) -> Floats:
    """[n] by how much each entropy is above the one before it; where a document begins there is none before it.

    Worked example, (1, 3, 2): (nothing, 2, -1), the first as minus infinity.
    """
    found = np.append(-np.inf, np.diff(entropies))
    found[begins] = -np.inf
    return found


def cut(values: Floats, threshold: float) -> NDArray[np.bool_]:
    """[n] whether a piece begins at each place: where the value is above the threshold."""
    return values > threshold


def reversed_documents(tokens: Tokens) -> Tokens:
    """The documents with their tokens in reverse order, the end of each at its end.

    Worked example, "ab$c$": "ba$c$".
    """
    ids: NDArray[np.unsignedinteger[Any]] = np.array(tokens.ids)
    ends = tokens.ends[: len(tokens.documents)]  # without documents there is one end all the same
    for start, end in zip(tokens.documents.tolist(), ends.tolist(), strict=True):
        stop = end - 1 if ids[end - 1] == tokens.vocabulary.end_of_text else end
        ids[start:stop] = ids[start:stop][::-1].copy()
    return Tokens(ids, tokens.documents, tokens.vocabulary)
