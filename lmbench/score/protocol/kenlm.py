"""As KenLM's `query` does it."""

from __future__ import annotations

import numpy as np

from lmbench.progress import Progress
from lmbench.score.protocol.base import Figure, Found, Measured
from lmbench.score.sums import Sums
from lmbench.score.units import Units

__all__ = ["Kenlm"]


class Kenlm:
    """KenLM's `query -v summary`: each document is a sentence, <s> is its first context, </s> is predicted and counted;
    log10; perplexity with the unknown words (`including OOVs`) and without them, in both sums (`excluding OOVs`).
    """

    conventions = (
        "KenLM's query: a line is a sentence, <s> stands before it and is not predicted, </s> is predicted and counts; "
        "perplexity is 10^(-log10 p / tokens), once with all tokens and once without the unknown words in both sums"
    )

    def measure(self, measured: Measured, progress: Progress) -> Found:
        tokens, one = measured.tokens, np.zeros(1, dtype=np.int64)
        sums = Sums.of(measured.log_probs, tokens, Units(np.zeros(len(tokens), dtype=np.int64), one, one))
        unknown, exact = int(sums.unknown[0]), float(sums.perplexity[0])
        figures = [
            Figure("Perplexity including OOVs", exact, exact),
            Figure("Perplexity excluding OOVs", float(sums.perplexity_known[0]), exact),
            Figure("OOVs", unknown, unknown),
            Figure("Tokens", len(tokens), len(tokens)),
        ]
        sentences = ["with unknown words it is e to the exact nats per token: the two conventions are one"]
        if unknown:
            lost = float(sums.unknown_nats[0])
            share = lost / float(sums.nats[0])
            sentences.append(
                f"{unknown:,} of {len(tokens):,} tokens are unknown words, and {share:.1%} of all nats are theirs"
            )
        if not tokens.vocabulary.lines:
            sentences.append(
                "the documents are no lines here: give --lines, and a run with --lines, for KenLM's sentences"
            )
        return Found(figures, sentences)
