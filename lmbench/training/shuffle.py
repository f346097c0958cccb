"""A text without order: what a net learns of it, it has learnt by heart."""

from __future__ import annotations

import math

import numpy as np

from lmbench.tokens import Tokens


def shuffled(tokens: Tokens, seed: int) -> Tokens:
    """The same tokens, each at a place drawn at random; documents keep their lengths and their ends.

    What order gives away is gone but for where documents end, and what is left to know of any other token is how common
    it is: a net whose loss on this text falls below `unigram_entropy` remembers it (as Zhang et al. 2017, arXiv
    1611.03530, did with labels and pixels). Ids `a b $ c $` may come back as `c a $ b $`.
    """
    ids = np.array(tokens.ids)
    inner = ids != tokens.vocabulary.end_of_text
    ids[inner] = np.random.default_rng([seed, 0x5EED]).permutation(ids[inner])
    return Tokens(ids, tokens.documents, tokens.vocabulary)


def unigram_entropy(tokens: Tokens) -> float:
    """Nats per token that one fixed distribution loses at the least where it is told which tokens end documents: these
    cost nothing, and each other one - sum of p ln p over the shares p of each id among them.

    Ids `a a b b $`, one end of text: 4/5 ln 2.
    """
    ids = np.array(tokens.ids)
    counts = np.bincount(ids[ids != tokens.vocabulary.end_of_text], minlength=1).astype(np.float64)
    counts = counts[counts > 0]
    return -math.fsum(counts * np.log(counts / counts.sum())) / max(1, len(tokens))
