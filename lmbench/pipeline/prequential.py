"""A model's code length of the whole text, as a row among the bounds on the entropy."""

from __future__ import annotations

import math
from itertools import pairwise

from lmbench.pipeline.job import Job
from lmbench.progress import Progress
from lmbench.record import Entropy, Record, finite
from lmbench.runtime import Runtime
from lmbench.score.prequential import PrequentialCode, block_bounds, learner, prequential_code
from lmbench.spec import Spec
from lmbench.tokens import Tokens, Vocabulary

_UNICODE = 0x110000  # code points
_MARK = "prequential model"  # the key of an entropy row's curve that holds the spec


def code_length_of(job: Job, spec: Spec, progress: Progress) -> list[Entropy]:
    """The row of `spec` under the prequential protocol. Raises LmbenchError where it has no code."""
    text = whole(job.train, job.valid, job.test)
    bounds = block_bounds(len(text), job.plan.blocks)
    code = prequential_code(learner(spec, _runtime(job), progress), text, bounds, progress, f"{spec}, prequential")
    return [_row(job, spec, text, code)]


def whole(train: Tokens, valid: Tokens, test: Tokens) -> Tokens:
    """The text that was cut into these, again in one; a document that a cut went through stays two."""
    return train + valid + test


def coded_models(record: Record) -> set[str]:
    """The models of a prequential run that have had their turn."""
    return {str(entropy.curve[_MARK]) for entropy in record.entropy if _MARK in entropy.curve}


def coded(record: Record) -> list[Entropy]:
    """The rows of models, among those of estimators."""
    return [entropy for entropy in record.entropy if _MARK in entropy.curve]


def _runtime(job: Job) -> Runtime:
    """The budget of all fits together: a net's is divided among them."""
    seconds, tokens = job.plan.train_seconds, job.plan.train_tokens
    if seconds is None and tokens is None:
        from lmbench.training.budget import SECONDS

        seconds = SECONDS[job.device]
    return Runtime(device=job.device, seed=job.plan.seed, train_seconds=seconds, train_tokens=tokens)


def vocabulary_bits(tokenizer: str, vocabulary: Vocabulary) -> float:
    """A bound on what it takes to tell a decoder the tokens, which were learnt from the text.

    Nothing for `byte`, and for `pretrained`, which was there before the text. `char`: how many of the 1,114,112 code
    points there are, and which: log2 1,114,112 + log2 C(1,114,112, k). `bpe`: each merge joins two tokens told before,
    2 log2 V. Any other: its tokens byte by byte, and one more for the end of each.

    Worked example: `char` with a and b alone: 20.1 + 39.2 = 59.3 bits.
    """
    if tokenizer in ("byte", "pretrained"):
        return 0.0
    known = vocabulary.tokens[: vocabulary.end_of_text]
    if tokenizer == "char":
        k = len(known)
        which = math.lgamma(_UNICODE + 1) - math.lgamma(k + 1) - math.lgamma(_UNICODE - k + 1)
        return math.log2(_UNICODE) + which / math.log(2)
    if tokenizer == "bpe":
        return 2 * math.log2(len(vocabulary)) * max(0, len(known) - 256)
    return 8.0 * sum(len(token) + 1 for token in known)


def _row(job: Job, spec: Spec, text: Tokens, code: PrequentialCode) -> Entropy:
    bits = code.nats / math.log(2)
    vocabulary = text.vocabulary
    told = vocabulary_bits(job.tokenizer_spec.name, vocabulary)
    total = float(bits.sum()) + told
    lossless = vocabulary.lossless and text.bytes > 0
    blocks = [text.head(stop).tail(stop - start) for start, stop in pairwise(code.bounds.tolist())]
    first = len(blocks[0])
    note = (
        f"{total:,.0f} bits, code length of the whole text ({len(text):,} tokens), each of {len(blocks)} blocks coded "
        f"with a model fitted on all before it, the first {first:,} tokens at {math.log2(len(vocabulary)):.2f} bits "
        f"each; it holds the cost of learning, and is no cross-entropy on held-out text"
    )
    if told:
        note += f"; {told:,.0f} bits of it tell the tokens, which were learnt from the text"
    return Entropy(
        estimator=f"{spec}, prequential",
        kind="upper bound",
        bits_per_byte=total / text.bytes if lossless else None,
        bits_per_character=total / text.characters if lossless and text.characters else None,
        bits_per_token=total / len(text),
        ci95_bits_per_character=None,
        seconds=sum(code.seconds),
        note=note,
        curve=finite(
            {
                _MARK: str(spec),
                "total_bits": total,
                "vocabulary_bits": told,
                "block_ends": code.bounds[1:],
                "block_characters": [block.characters if lossless else None for block in blocks],
                "block_bits": bits,
                "block_seconds": code.seconds,
            }
        ),
    )
