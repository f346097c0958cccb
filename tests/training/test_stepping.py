"""A net that reads a text on, token by token, predicts what scoring predicts, however its window slides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_texts import VOCABULARY, letters

from lmbench.net import nets
from lmbench.net.base import Net
from lmbench.spec import parse
from lmbench.tokens import tokens_of
from lmbench.training.evaluation import score, stride_of
from lmbench.training.stepping import Reading, advance

SIZE, END = len(VOCABULARY), VOCABULARY.end_of_text
SPECS = [
    "transformer(layers=2, heads=2, width=16, context=8)",
    "transformer(layers=2, heads=2, width=16, context=8, convolution=1, position=none)",
    "transformer(layers=1, heads=2, width=16, context=8, convolution=9, position=learned, softcap=5)",
    "transformer(preset=gpt2, layers=2, heads=2, width=16, context=8, convolution=1, position=learned, tied=true)",
    "feedforward(context=3, width=4, hidden=8)",
    "bigram_embedding(width=4)",
    "lstm(layers=2, width=8)",
    "mingru(layers=2, width=8)",
    "minlstm(layers=2, width=8)",
]


def net_of(spec: str) -> Net:
    """With weights drawn at random, those that start at zero too."""
    parsed = parse(spec)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net: Net = nets.load(parsed.name)(SIZE, **parsed.options)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return net.eval()


def steps(net: Net, ids: np.ndarray, widths: list[int], stride: int | None) -> np.ndarray:
    """[q, n, V] log-probabilities at the places after each of so many columns."""
    reading, found, at = Reading.of(net, len(ids)), [], 0
    for width in widths:
        hidden = advance(net, ids[:, at : at + width], reading, stride, END)
        with torch.inference_mode():
            found.append(net.logits(hidden).double().log_softmax(1).numpy())
        at += width
    return np.stack(found, axis=1)


@pytest.mark.parametrize("wanted", [None, 1, 3, 8])
@pytest.mark.parametrize("spec", SPECS)
def test_one_token_at_a_time_is_what_scoring_says(spec: str, wanted: int | None) -> None:
    net = net_of(spec)
    documents = [letters(1, 40), letters(2, 40)]
    tokens = tokens_of(documents, VOCABULARY)
    stride = stride_of(net, wanted)
    expected = score(net, tokens, stride, "cpu").reshape(2, 41)
    ids = np.array([[END, *document] for document in documents])
    found = steps(net, ids, [1] * 41, stride)
    targets = tokens.ids.reshape(2, 41).astype(np.int64)
    np.testing.assert_allclose(np.take_along_axis(found, targets[..., None], 2)[..., 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_a_text_is_read_alike_in_pieces_and_beside_others(spec: str) -> None:
    net = net_of(spec)
    stride = stride_of(net, None)
    ids = np.array([
        [END, *letters(1, 39)],
        [END, 2, END, END, *letters(2, 36)],
        [END, *letters(3, 10), END, *letters(4, 28)],
    ])  # fmt: skip
    one_by_one = steps(net, ids, [1] * 40, stride)
    pieces = steps(net, ids, [5, 1, 9, 1, 24], stride)
    np.testing.assert_allclose(pieces, one_by_one[:, [4, 5, 14, 15, 39]], rtol=0, atol=1e-5)
    alone = np.concatenate([steps(net, ids[row : row + 1], [1] * 40, stride) for row in range(3)])
    np.testing.assert_allclose(alone, one_by_one, rtol=0, atol=1e-5)
    # a document that begins anew knows nothing of what was read before
    fresh = steps(net, np.array([[END, *letters(4, 28)]]), [1] * 29, stride)
    np.testing.assert_allclose(one_by_one[2:, 11:], fresh, rtol=0, atol=1e-5)


def test_each_token_is_read_once_while_the_window_stands() -> None:
    net = net_of(SPECS[0])
    read = []
    net.embedding.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
    steps(net, np.array([[END, *letters(1, 15)]]), [1] * 16, stride=4)
    # a window of 8 that slides by 4: 8 tokens, then 5 at once and three more, then again
    assert read == [1] * 8 + [5, 1, 1, 1, 5, 1, 1, 1]
