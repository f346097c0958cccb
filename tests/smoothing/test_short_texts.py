from __future__ import annotations

import pytest
from small_texts import alphabet

from lmbench.model import models
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.spec import parse
from lmbench.tokens import tokens_of

VOCABULARY = alphabet(2)


@pytest.mark.parametrize("smoothing", ["stupid_backoff", "modified_kneser_ney", "witten_bell"])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_an_order_beyond_the_text_that_is_scored(smoothing: str, length: int) -> None:
    train, test = tokens_of([[0, 1, 0, 1, 1, 0] * 5], VOCABULARY), tokens_of([[0, 1, 1, 0, 0][:length]], VOCABULARY)
    spec = parse(f"ngram(order=10, smoothing={smoothing})")
    model = models.make(spec, runtime=Runtime(device="cpu")).fit(train, test, Silent())
    scores = model.log_probs(test, Silent())
    expected = [model.next_log_probs(test.ids[:at])[test.ids[at]] for at in range(len(test))]
    assert scores == pytest.approx(expected, abs=1e-9)
