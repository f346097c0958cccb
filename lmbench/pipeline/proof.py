"""The proof of a row's figure: a slice of the test text coded with its model, and decoded again."""

from __future__ import annotations

import math
from pathlib import Path

from lmbench import store
from lmbench.codec.coder import BrokenCodeError, agrees, decode, encode
from lmbench.errors import LmbenchError
from lmbench.pipeline.compressing import check_codable, code_length
from lmbench.pipeline.opened import load_model
from lmbench.progress import Progress
from lmbench.record import Proof, Row
from lmbench.tokens import Tokens

SLICE = 1_000  # tokens


def with_proof(folder: Path, row: Row, test: Tokens, progress: Progress) -> Row:
    """`row` with what coding the first tokens of the test text came to, or a note that says why there is no proof."""
    try:
        found = proved(folder, row, test, progress)
    except LmbenchError as error:
        return row.model_copy(update={"notes": [*row.notes, f"not verified: {error}"]})
    return row.model_copy(update={"verified": found})


def proved(folder: Path, row: Row, test: Tokens, progress: Progress) -> Proof:
    """The first `SLICE` tokens of the test text, coded with the saved model of `row` on the CPU, and decoded.

    The code length is that of the log-probabilities that the row's figure is made of; where that is a mean over
    seeds, of the model that was kept. Raises LmbenchError where the tokens do not come back, or where they take other
    bits than were reported.
    """
    check_codable(row)
    model = load_model(folder, row, "cpu")
    part, end = test.head(SLICE), test.vocabulary.end_of_text
    if row.seeds:
        bits = code_length(model, part, progress)
    else:
        bits = -math.fsum(store.read_log_probs(folder, row)[: len(part)].tolist()) / math.log(2)
        if part.unknown_log_probs is not None:  # what is beside the ids is no matter of the model
            bits += math.fsum(part.unknown_log_probs.tolist()) / math.log(2)
    payload = encode(model, part.ids, end, progress)
    try:
        back = list(decode(model, payload, len(part), end, progress))
    except BrokenCodeError as error:
        raise LmbenchError(f"its bits cannot be decoded: {error}") from error
    if back != part.ids.tolist():
        raise LmbenchError("its tokens do not come back")
    if not agrees(8 * len(payload), bits):
        raise LmbenchError(f"{len(part):,} tokens took {8 * len(payload):,} bits, reported are {bits:,.1f}")
    return Proof(tokens=len(part), code_length_bits=bits, payload_bits=8 * len(payload))
