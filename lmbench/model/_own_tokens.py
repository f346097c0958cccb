"""A pretrained model as it writes: in tokens of its own, which are read on with its library's cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.model._causal import Causal
from lmbench.training.evaluation import scoring, window_start
from lmbench.training.stepping import pieces

Ints = NDArray[np.int64]

_BEFORE = 8  # tokens before the next one that its text may depend on, such as whether a space stands before it


@dataclass(eq=False)
class _Group:
    """Texts whose documents began at one time. `rows`: [g]; `held`: [g, L] what their window holds, which begins at
    `start` in the document; `cache`: the library's, of what it holds, None where that is to be read again."""

    rows: Ints
    held: Ints
    start: int = 0
    cache: Any = None


class OwnTokens:
    """What a net of `transformers` predicts, as `model.base.Stepping`, and its tokens as text. `end_of_text`: the id
    that ends its documents; `size`: of its vocabulary."""

    def __init__(self, net: Causal, tokenizer: Any, stride: int) -> None:
        self._net, self._tokenizer, self._stride = net, tokenizer, stride
        self.end_of_text, self.size = net.end, net.vocabulary

    def encode(self, text: str) -> Ints:
        """[n] the ids of a prompt, which has no end."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def decoder(self, prompt: Ints) -> OwnDecoder:
        """What makes text of the tokens that follow `prompt`."""
        return OwnDecoder(self._tokenizer, prompt, self.end_of_text)

    def start(self, rows: int, end_of_text: int) -> list[_Group]:
        return [_Group(np.arange(rows), np.zeros((rows, 0), dtype=np.int64))]

    def step(self, ids: Ints, state: list[_Group]) -> tuple[Tensor, list[_Group]]:
        hidden: list[Tensor | None] = [None] * len(ids)
        with scoring(self._net):
            for part in pieces(ids, self.end_of_text, self._net.row):
                state = _parted(state, part[:, 0] == self.end_of_text)
                for group in state:
                    for row, vector in zip(group.rows.tolist(), self._read(group, part[group.rows]), strict=True):
                        hidden[row] = vector
            logits = self._net.logits(torch.stack([vector for vector in hidden if vector is not None])).double()
            return logits - logits.logsumexp(1, keepdim=True), state

    def _read(self, group: _Group, part: Ints) -> Tensor:
        """[g, C] the vectors after `part` [g, t], which the group reads now."""
        held = np.concatenate([group.held, part], axis=1)
        start = window_start(group.start + held.shape[1] - 1, self._net.row, self._stride)
        moved = start - group.start
        if moved or group.cache is None:
            part, group.cache = held[:, moved:], None
        group.held, group.start = held[:, moved:], start
        read = torch.from_numpy(np.ascontiguousarray(part)).to(self._net.model.device)
        hidden, group.cache = self._net.read_on(read, group.cache)
        return hidden[:, -1]


def _parted(groups: list[_Group], begins: NDArray[np.bool_]) -> list[_Group]:
    """The groups without the texts in which a document `begins` [q], and those as one more."""
    if not begins.any():
        return groups
    found = []
    for group in groups:
        stay = np.flatnonzero(~begins[group.rows])
        if len(stay) < len(group.rows):
            group.rows, group.held = group.rows[stay], group.held[stay]
            if len(stay) and hasattr(group.cache, "batch_select_indices"):
                group.cache.batch_select_indices(torch.from_numpy(stay))
            else:
                group.cache = None
        if len(group.rows):
            found.append(group)
    anew = np.flatnonzero(begins)
    return [*found, _Group(anew, np.zeros((len(anew), 0), dtype=np.int64))]


class OwnDecoder:
    """Tokens of a tokenizer of `tokenizers` to text: what each adds to the text of those before it, as soon as its
    characters are whole. The end of a document is an empty line."""

    def __init__(self, tokenizer: Any, prompt: Ints, end_of_text: int) -> None:
        self._tokenizer, self._end = tokenizer, end_of_text
        self._new: list[int] = []
        self._before = self._last(prompt.tolist())

    def add(self, index: int) -> str:
        if index == self._end:
            text = self.close() + "\n\n"
            self._before = []
            return text
        self._new.append(index)
        text = self._text()
        if text.endswith("\ufffd"):  # the beginning of a character, unless more do not make it one
            return "" if len(self._new) < _BEFORE else self.close()
        self._before, self._new = self._last([*self._before, *self._new]), []
        return text

    def close(self) -> str:
        text = self._text() if self._new else ""
        self._before, self._new = self._last([*self._before, *self._new]), []
        return text

    def _last(self, ids: list[int]) -> list[int]:
        """Of `ids` the last few, so many that they do not begin inside a character."""
        sizes = (_BEFORE, 2 * _BEFORE, 4 * _BEFORE)
        return next((ids[-size:] for size in sizes if "\ufffd" not in self._decoded(ids[-size:])), ids[-_BEFORE:])

    def _text(self) -> str:
        return self._decoded([*self._before, *self._new])[len(self._decoded(self._before)) :]

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))
