"""What the tests of ARPA files share."""

from __future__ import annotations

import io
from pathlib import Path

from lmbench.counts.arpa import write_arpa
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Silent
from lmbench.smoothing import smoothings
from lmbench.tokens import Tokens, Vocabulary, tokens_of

# Every context sums to one: p(. ) is 1/2, 1/4, 1/4 for </s>, a, <unk>; after <s>, 5/8 for a and the rest at half
# weight; after a, 2/3 for </s> and the rest at two thirds.
TINY = r"""# by hand

\data\
ngram 1=4
ngram 2=2

\1-grams:
-99	<s>	-0.3010299957
-0.3010299957	</s>	0
-0.6020599913	a	-0.1760912591
-0.6020599913	<unk>	0

\2-grams:
-0.2041199827	<s> a
-0.1760912591	a </s>

\end\
"""


def fitted(tokens: Tokens, order: int, smoothing: str = "witten_bell") -> BackoffModel:
    counts = NgramCounts(tokens, order)
    method = smoothings.make(smoothing)
    model: BackoffModel = method.estimate(counts, method.choose(counts, tokens.head(0)).settings, Silent())
    return model


def written(model: BackoffModel, vocabulary: Vocabulary) -> str:
    out = io.BytesIO()
    write_arpa(model, vocabulary, out)
    return out.getvalue().decode()


def file_of(text: str | bytes, folder: Path, name: str = "model.arpa") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def letters(documents: list[list[int]], size: int, unknown: bool = False) -> Tokens:
    """Documents of letters a, b, ... as tokens, with an unknown token behind them if asked for."""
    texts = [b"%c" % (97 + index) for index in range(size)]
    if unknown:
        return tokens_of(documents, Vocabulary((*texts, b"<unk>", b"\n"), size + 1, size, lossless=False))
    return tokens_of(documents, Vocabulary((*texts, b"\n"), size))
