"""Exact scoring: every token once, by windows that slide over each document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.machine import out_of_memory
from lmbench.net.base import Net, Recurrent
from lmbench.progress import Progress, Silent, Task
from lmbench.tokens import Tokens
from lmbench.training.device import few_threads

_TOKENS = {"cpu": 8_192, "cuda": 65_536}  # in a batch
_LOGITS = 1 << 24  # logits held at once, per chunk, on a CPU
_ON_GPU = 8  # times as many
_VALIDATION = {"cpu": 8_192, "cuda": 131_072}  # tokens of the sample that training is validated on


@dataclass(frozen=True)
class Windows:
    """Where each window lies: its `first` target and `length`, how many leading targets it reads without scoring
    them (`skip`), all [w] int64, and whether it stands at the beginning of its document, `fresh` [w] bool."""

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    skip: NDArray[np.int64]
    fresh: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def scored(self) -> int:
        """How many targets they score."""
        return int((self.length - self.skip).sum())

    def targets(self) -> NDArray[np.int64]:
        """[scored] where in the text those stand."""
        spans = [
            np.arange(first + skip, first + length, dtype=np.int64)
            for first, length, skip in zip(self.first, self.length, self.skip, strict=True)
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *spans])

    def sample(self, tokens: int) -> Windows:
        """As many of the windows as make up about `tokens` targets, evenly spread."""
        if int(self.length.sum()) <= tokens:
            return self
        count = max(1, int(tokens / self.length.mean()))
        chosen = np.linspace(0, len(self) - 1, count).astype(np.int64)
        return Windows(self.first[chosen], self.length[chosen], self.skip[chosen], self.fresh[chosen])


def window_start(position: int, context: int, stride: int) -> int:
    """Where the window that predicts `position` (from 0, in its document) begins to read.

    The least multiple of `stride` from which the position is among the first `context`; so a prediction looks back
    on everything up to `context` places, and on `context - stride + 1` to `context` of them further on.
    """
    return max(0, -(-(position + 1 - context) // stride) * stride)


def slide(tokens: Tokens, context: int, stride: int) -> Windows:
    """The windows that score every token once, document by document; `window_start` says which one a token is in.

    context 4, stride 2, a document of 7: windows start at 0, 2, 4 and score 0-3, 4-5, 6.
    """
    sizes = tokens.ends - tokens.documents
    per_document = 1 + np.maximum(0, -(-(sizes - context) // stride))
    index = np.arange(int(per_document.sum())) - np.repeat(np.cumsum(per_document) - per_document, per_document)
    start = index * stride
    length = np.minimum(np.repeat(sizes, per_document) - start, context)
    skip = np.where(index > 0, context - stride, 0)
    return Windows(np.repeat(tokens.documents, per_document) + start, length, skip, index == 0)


def stride_of(net: Net, wanted: int | None) -> int | None:
    """How far the window slides: as far as `wanted`, or half a row; for a net that looks back on fewer ids than a row
    holds, no further than what gives it all of them. None where a state is carried through the document instead."""
    if isinstance(net, Recurrent):
        return None if wanted is None else min(wanted, net.row)
    if net.context is not None and net.context < net.row:
        return min(wanted or net.row, net.row - net.context + 1)
    return min(wanted or max(1, net.row // 2), net.row)


def validation_windows(tokens: Tokens, row: int, device: str) -> Windows:
    """Where a net with rows of `row` is validated while it is trained: windows that do not overlap, all of them or an
    evenly spread sample. A function of the text, so that another model can be scored on the same tokens."""
    return slide(tokens, row, row).sample(_VALIDATION[device])


def score(
    net: Net, tokens: Tokens, stride: int | None, device: str, progress: Progress | None = None
) -> NDArray[np.float64]:
    """[n] nats: ln p of every token, by windows that slide by `stride`, or with a state carried where it is None."""
    if stride is not None:
        return log_probs(net, tokens, slide(tokens, net.row, stride), device, progress)
    assert isinstance(net, Recurrent)
    return carried_log_probs(net, tokens, device, progress)


def log_probs(
    net: Net, tokens: Tokens, windows: Windows, device: str, progress: Progress | None = None
) -> NDArray[np.float64]:
    """[n] nats: ln p of each target that a window scores, 0 where none does. float32 inside, as the net is.

    Where a batch of windows does not fit in memory, it and the following ones are halved; one that does not fit alone
    raises what torch says.
    """
    out = np.zeros(len(tokens), dtype=np.float64)
    order = np.argsort(windows.length, kind="stable")
    lengths, start, limit = windows.length[order], 0, _TOKENS[device]
    with (progress or Silent()).task("score", float(windows.length.sum())) as task, scoring(net):
        while start < len(order):
            end = _batch_end(lengths, start, limit)
            chosen = order[start:end]
            try:
                ids, targets = _read(tokens, windows, chosen)
                found = _target_log_probs(net, net.hidden(ids.to(device)), targets.to(device)).cpu().numpy()
            except (MemoryError, RuntimeError) as error:
                if not _fits_by_half(error, len(chosen), device):
                    raise
                limit = len(chosen) // 2 * int(lengths[end - 1])
                continue
            start = end
            for row, window in enumerate(chosen):
                low, high, at = int(windows.skip[window]), int(windows.length[window]), int(windows.first[window])
                out[at + low : at + high] = found[row, low:high]
            task.advance(float(windows.length[chosen].sum()))
    return out


def _target_log_probs(net: Net, hidden: Tensor, targets: Tensor) -> Tensor:
    """[B, T, C] vectors, [B, T] ids -> [B, T] float32 nats. Logits of a large vocabulary are made a slice at a time."""
    found = []
    slices = zip(_slices(hidden.flatten(0, 1), net), _slices(targets.flatten(), net), strict=True)
    for hidden_part, target_part in slices:
        logits = net.logits(hidden_part)
        found.append(logits.gather(1, target_part[:, None])[:, 0] - logits.logsumexp(1))
    return torch.cat(found).view(targets.shape)


def carried_log_probs(
    net: Recurrent, tokens: Tokens, device: str, progress: Progress | None = None
) -> NDArray[np.float64]:
    """[n] nats: ln p of every token given all of its document before it, many documents side by side; half as many
    where these do not fit in memory."""
    out = np.zeros(len(tokens), dtype=np.float64)
    sizes = tokens.ends - tokens.documents
    order = np.argsort(-sizes, kind="stable")
    start, together = 0, max(1, _TOKENS[device] // net.row)  # documents
    threads = few_threads(min(together, len(sizes)) * net.row)
    with (progress or Silent()).task("score", float(len(tokens))) as task, scoring(net), threads:
        while start < len(order):
            group = order[start : start + together]
            try:
                _carry(net, tokens, group, device, out, task)
            except (MemoryError, RuntimeError) as error:
                if not _fits_by_half(error, len(group), device):
                    raise
                together = len(group) // 2
                continue
            start += len(group)
    return out


def _carry(
    net: Recurrent, tokens: Tokens, group: NDArray[np.int64], device: str, out: NDArray[np.float64], task: Task
) -> None:
    """Put ln p of the tokens of the documents of `group`, the longest first, into `out` [n]."""
    sizes = (tokens.ends - tokens.documents)[group]
    state = net.start(len(group))
    # a GPU waits for each block to be asked for: long ones keep it busy
    block = net.row if device == "cpu" else max(net.row, _TOKENS[device] // len(group))
    for at in range(0, int(sizes[0]), block):
        live = group[: int((sizes > at).sum())]
        length = np.minimum(sizes[: len(live)] - at, block)
        first = tokens.documents[live] + at
        windows = Windows(first, length, np.zeros_like(first), np.full(len(live), at == 0))
        ids, targets = _read(tokens, windows, np.arange(len(live)))
        state = tuple(part[:, : len(live)].contiguous() for part in state)
        hidden, state = net.run(ids.to(device), state)
        found = _target_log_probs(net, hidden, targets.to(device)).cpu().numpy()
        for row in range(len(live)):
            out[first[row] : first[row] + length[row]] = found[row, : length[row]]
        task.advance(float(length.sum()))


def hidden_states(net: Net, tokens: Tokens, stride: int | None, device: str) -> Iterator[tuple[int, Tensor]]:
    """The vector from which each token is predicted, as `score` has it: (offset, [m, C] on the device), one stretch of
    the text after the other, each of about as many tokens as a batch has."""
    if stride is None:
        assert isinstance(net, Recurrent)
        yield from _carried_states(net, tokens, device)
        return
    windows = slide(tokens, net.row, stride)
    together = max(1, _TOKENS[device] // int(windows.length.max(initial=1)))
    for start in range(0, len(windows), together):
        chosen = np.arange(start, min(start + together, len(windows)))
        with scoring(net):
            hidden = net.hidden(_read(tokens, windows, chosen)[0].to(device))
            new = [
                hidden[row, windows.skip[window] : windows.length[window]] for row, window in enumerate(chosen.tolist())
            ]
            found = torch.cat(new)
        yield int(windows.first[start] + windows.skip[start]), found


def _carried_states(net: Recurrent, tokens: Tokens, device: str) -> Iterator[tuple[int, Tensor]]:
    """The same with a state carried: neighbouring documents side by side, a longer one than a batch piece by piece."""
    sizes, limit, start = tokens.ends - tokens.documents, _TOKENS[device], 0
    while start < len(sizes):
        end = start + 1
        while end < len(sizes) and (end + 1 - start) * int(sizes[start : end + 1].max()) <= limit:
            end += 1
        group = np.arange(start, end)
        state = net.start(len(group))
        for at in range(0, int(sizes[group].max()), limit):
            first, length = tokens.documents[group] + at, np.minimum(sizes[group] - at, limit)
            windows = Windows(first, length, np.zeros_like(first), np.full(len(group), at == 0))
            with scoring(net):
                ids = _read(tokens, windows, np.arange(len(group)))[0]
                hidden, state = net.run(ids.to(device), state)
                found = torch.cat([hidden[row, :size] for row, size in enumerate(length.tolist())])
            yield int(first[0]), found
        start = end


@contextmanager
def scoring(net: Net) -> Iterator[None]:
    """Without gradients, dropout, or reduced precision (cuDNN's recurrent kernels multiply in TF32 unless they are told
    not to); what was before comes back afterwards."""
    was, tf32 = net.training, torch.backends.cudnn.allow_tf32
    if was:  # or all modules would be gone through for each token of a text that is read on
        net.eval()
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        if was:
            net.train()


def _fits_by_half(error: Exception, count: int, device: str) -> bool:
    """Whether half of what `error` broke off may fit in memory, which is freed for it."""
    if count == 1 or not out_of_memory(error):
        return False
    if device == "cuda":
        torch.cuda.empty_cache()
    return True


def _slices(rows: Tensor, net: Net) -> tuple[Tensor, ...]:
    limit = _LOGITS if rows.device.type == "cpu" else _LOGITS * _ON_GPU
    return torch.split(rows, max(1, limit // net.vocabulary))


def _batch_end(lengths: NDArray[np.int64], start: int, limit: int) -> int:
    """Where the batch from `start` ends: a run of ascending `lengths` whose padded size stays within `limit` tokens,
    or one window."""
    end = start + 1
    while end < len(lengths) and (end + 1 - start) * lengths[end] <= limit:
        end += 1
    return end


def _read(tokens: Tokens, windows: Windows, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """[B, T] what the chosen windows read and predict, padded behind with the end-of-text id."""
    end = tokens.vocabulary.end_of_text
    shape = (len(chosen), int(windows.length[chosen].max()))
    ids: NDArray[Any] = np.full(shape, end, dtype=np.int64)
    targets: NDArray[Any] = np.full(shape, end, dtype=np.int64)
    for row, window in enumerate(chosen):
        at, length = int(windows.first[window]), int(windows.length[window])
        targets[row, :length] = tokens.ids[at : at + length]
        ids[row, 1:length] = targets[row, : length - 1]
        ids[row, 0] = end if windows.fresh[window] else tokens.ids[at - 1]
    return torch.from_numpy(ids), torch.from_numpy(targets)
