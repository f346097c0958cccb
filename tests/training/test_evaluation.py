from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import VOCABULARY, text
from torch import Tensor

from lmbench.net.base import Net
from lmbench.net.feedforward import Feedforward
from lmbench.net.lstm import LSTM
from lmbench.tokens import tokens_of
from lmbench.training import evaluation
from lmbench.training.evaluation import log_probs, score, slide, stride_of, window_start


class Looking(Net):
    """Predicts from a fixed random function of everything in the row so far: what it sees can be told exactly."""

    table: Tensor

    def __init__(self, context: int) -> None:
        super().__init__()
        self.vocabulary, self.row, self.context = 8, context, context
        self.register_buffer("table", torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        return torch.tanh(self.table[ids]).cumsum(1)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


def test_windows_worked_by_hand() -> None:
    windows = slide(text(0, 6), context=4, stride=2)  # a document of 7 with its end
    assert windows.first.tolist() == [0, 2, 4]
    assert windows.length.tolist() == [4, 4, 3]
    assert windows.skip.tolist() == [0, 2, 2]
    assert windows.fresh.tolist() == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 9), st.integers(1, 9))
def test_every_token_is_scored_once_in_the_window_of_its_place(lengths: list[int], context: int, stride: int) -> None:
    stride = min(stride, context)
    tokens = text(0, *lengths)
    windows = slide(tokens, context, stride)
    scored = np.zeros(len(tokens), dtype=int)
    for first, length, skip in zip(windows.first, windows.length, windows.skip, strict=True):
        document = int(np.searchsorted(tokens.documents, first, side="right")) - 1
        assert first + length <= tokens.ends[document]
        for at in range(first + skip, first + length):
            scored[at] += 1
            begin = int(tokens.documents[document])
            assert window_start(at - begin, context, stride) == first - begin
    assert (scored == 1).all()


def test_log_probs_are_what_each_window_says_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = text(1, 23, 0, 3, 9)
    net = Looking(context=6)
    expected = []
    for index in range(len(tokens.documents)):
        document = tokens.document(index).astype(np.int64)
        read = np.concatenate([[VOCABULARY.end_of_text], document[:-1]])
        for at, target in enumerate(document):
            start = window_start(at, 6, 4)
            seen = torch.from_numpy(read[start : at + 1])[None]
            expected.append(float(net.logits(net.hidden(seen))[0, -1].log_softmax(0)[int(target)]))
    monkeypatch.setattr(evaluation, "_LOGITS", 24)  # three places at a time: a large vocabulary in small
    found = log_probs(net, tokens, slide(tokens, 6, 4), "cpu")
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("limit", [6, 12, 10_000])
def test_a_carried_state_sees_the_whole_document(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(evaluation, "_TOKENS", {"cpu": limit})  # one document, two, or all of them at a time
    torch.manual_seed(0)
    net = LSTM(8, layers=2, width=8, back=6).eval()
    tokens = text(1, 23, 0, 3, 30, 9)
    expected = []
    for index in range(len(tokens.documents)):
        document = torch.from_numpy(tokens.document(index).astype(np.int64))
        read = torch.cat([torch.tensor([VOCABULARY.end_of_text]), document[:-1]])
        scores = net.logits(net.hidden(read[None]))[0].log_softmax(-1).detach()
        expected += scores.gather(1, document[:, None])[:, 0].tolist()
    assert score(net, tokens, None, "cpu") == pytest.approx(np.array(expected), abs=1e-5)
    windowed = score(net, tokens, 3, "cpu")
    assert windowed[:6] == pytest.approx(np.array(expected[:6]), abs=1e-5)
    assert windowed[6:24] != pytest.approx(np.array(expected[6:24]), abs=1e-5)


def test_how_far_the_window_slides() -> None:
    assert stride_of(Looking(context=9), None) == 4
    assert stride_of(Looking(context=9), 20) == 9
    assert stride_of(Feedforward(8, context=5), None) == 252  # rows of 256: every place sees all of its five
    assert stride_of(Feedforward(8, context=5), 10) == 10
    assert stride_of(LSTM(8, back=6), None) is None


def test_a_sample_is_spread_over_the_whole_text() -> None:
    tokens = tokens_of([[0] * 999], VOCABULARY)
    sample = slide(tokens, 10, 10).sample(200)
    assert int(sample.length.sum()) == 200
    assert sample.first[0] == 0
    assert sample.first[-1] == 990
    assert slide(tokens, 10, 10).sample(10_000).first.tolist() == list(range(0, 1000, 10))


def test_an_empty_text_has_no_windows() -> None:
    tokens = text(0, 5).head(0)
    assert len(slide(tokens, 4, 2)) == 0
    assert log_probs(Looking(4), tokens, slide(tokens, 4, 2), "cpu").shape == (0,)


@pytest.mark.parametrize("stride", [3, None])
def test_what_does_not_fit_in_memory_is_halved_and_scores_the_same(
    monkeypatch: pytest.MonkeyPatch, stride: int | None
) -> None:
    torch.manual_seed(0)
    net = LSTM(8, layers=1, width=8, back=6).eval()
    tokens = text(1, 23, 0, 3, 30, 9)
    expected, plain, most = score(net, tokens, stride, "cpu"), net.run, 2

    def greedy(ids: Tensor, *state: Tensor) -> object:
        if len(ids) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(ids, *state)

    monkeypatch.setattr(net, "run", greedy)
    assert score(net, tokens, stride, "cpu") == pytest.approx(expected, abs=1e-6)
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        score(net, tokens, stride, "cpu")


def test_recurrent_kernels_score_in_float32_and_train_as_before() -> None:
    before = torch.backends.cudnn.allow_tf32
    with evaluation.scoring(Looking(4)):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
