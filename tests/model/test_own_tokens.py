"""A pretrained model as it writes: its library's cache against reading everything again, and its tokens as text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_texts import byte_alphabet
from tiny_models import TEXT, tiny

from lmbench.model.pretrained import Pretrained
from lmbench.progress import Silent
from lmbench.tokens import tokens_of
from lmbench.training.evaluation import window_start

BYTES = byte_alphabet()
NOTHING = tokens_of([], BYTES)


@pytest.fixture(scope="module", params=["gpt2", "llama", "gemma2"])
def model(request: pytest.FixtureRequest) -> Pretrained:
    return Pretrained(tiny(request.param), context=12, stride=5).fit(NOTHING, NOTHING, Silent())


def test_cached_and_uncached_agree_past_the_end_of_the_context_too(model: Pretrained) -> None:
    own = model.own_tokens()
    net, end = model.net, own.end_of_text
    texts = np.random.default_rng(0).integers(3, 40, (3, 30))
    texts[1, 11] = end
    texts[2, 2:4] = end
    read = np.concatenate([np.full((3, 1), end), texts], axis=1)
    state = own.start(3, end)
    for stop in (4, *range(5, 32)):
        ids = read[:, (0 if stop == 4 else stop - 1) : stop]
        scores, state = own.step(ids, state)
        for row in range(3):
            document = read[row, :stop][int(np.flatnonzero(read[row, :stop] == end)[-1]) :]
            window = document[window_start(len(document) - 1, net.row, 5) :]
            with torch.inference_mode():
                expected = net.logits(net.hidden(torch.from_numpy(window[None])))[0, -1].double().log_softmax(0)
            np.testing.assert_allclose(scores[row].numpy(), expected.numpy(), rtol=0, atol=1e-5)
    whole, _ = own.step(read, own.start(3, end))  # more at once than the context holds
    np.testing.assert_allclose(whole.numpy(), scores.numpy(), rtol=0, atol=1e-5)


def test_its_tokens_become_the_text_again_piece_by_piece(model: Pretrained) -> None:
    own = model.own_tokens()
    for text in [*TEXT[:4], "a cab 日本語 ab", " two  spaces"]:
        prompt, rest = text[:4], own.encode(text)
        begun = own.encode(prompt)
        if not np.array_equal(rest[: len(begun)], begun):
            continue  # the prompt is cut elsewhere than the text
        decoder = own.decoder(begun)
        pieces = [decoder.add(int(index)) for index in rest[len(begun) :]] + [decoder.close()]
        assert prompt + "".join(pieces) == text
    decoder = own.decoder(own.encode(""))
    assert decoder.add(own.end_of_text) == "\n\n"
