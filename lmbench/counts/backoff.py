"""A back-off model: a trie with a probability at each node and a back-off weight at each context.

Whatever the smoothing, its model takes this form (the ARPA form), so that one scorer and one
sampler serve all of them:

    p(w | h) = p(hw)                 if hw is stored
               b(h) p(w | h')        otherwise, h' being h without its first token

with b(h) = 1 where h itself is not stored (a score that is no distribution may set another).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lmbench.counts.ngrams import stream
from lmbench.counts.trie import Trie, narrow
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.tokens import Ids

_CHUNK = 1 << 16


@dataclass(eq=False)
class BackoffModel:
    """`log_probs[k]`: [m] nats, ln p of each (k+1)-gram's last token given the others.
    `log_backoffs[k]`: [m] nats, ln b of each (k+1)-gram as a context; one level fewer.
    """

    trie: Trie
    log_probs: list[Tensor]
    log_backoffs: list[Tensor]
    end_of_text: int
    unseen_log_backoff: float = 0.0

    @property
    def order(self) -> int:
        return self.trie.order

    @property
    def device(self) -> torch.device:
        return self.log_probs[0].device

    def score(self, ids: Ids, progress: Progress) -> NDArray[np.float64]:
        """[n] nats: ln p of each token given those before it in its document."""
        scores = np.empty(len(ids), dtype=np.float64)
        with progress.task("scoring", len(ids)) as task:
            for start in range(0, len(ids), _CHUNK):
                stop = min(start + _CHUNK, len(ids))
                context = max(0, start - max(1, self.order - 1))
                text = stream(ids[context:stop], self.end_of_text, str(self.device))
                if context:
                    text = text[1:]
                scores[start:stop] = self._score(text)[-(stop - start) :].cpu().numpy()
                task.advance(stop - start)
        return scores

    def _score(self, text: Tensor) -> Tensor:
        """[n - 1] nats of text[1:], given what of its context lies in `text`."""
        nodes = self.trie.match(text)
        scores = self.log_probs[0][text[1:]].to(torch.float64)
        for order in range(2, self.order + 1):
            context, node = nodes[order - 2][:-1], nodes[order - 1]
            lower = scores[order - 2 :]
            if len(context) == 0:
                break
            if len(self.log_backoffs[order - 2]) == 0:
                lower += self.unseen_log_backoff
                continue
            backoff = self.log_backoffs[order - 2][context.clamp(min=0)].to(torch.float64)
            lower += torch.where(context >= 0, backoff, self.unseen_log_backoff)
            if len(self.log_probs[order - 1]):
                stored = self.log_probs[order - 1][node.clamp(min=0)].to(torch.float64)
                torch.where(node >= 0, stored, lower, out=lower)
        return scores

    def next(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[V] nats: the distribution of the token after `context`, the ids of a document so far."""
        reach = self.order - 1
        history = np.asarray(context)[max(0, len(context) - reach) :]
        text = stream(history, self.end_of_text)[len(history) + 1 - min(reach, len(history) + 1) :]
        matched = self.trie.match(text.to(self.device)) if len(text) else []
        scores = self.log_probs[0].to(torch.float64).clone()
        for order in range(1, min(len(text), self.order - 1) + 1):
            node = int(matched[order - 1][-1])
            if node < 0:
                scores += self.unseen_log_backoff
                continue
            scores += self.log_backoffs[order - 1][node].to(torch.float64)
            children = self.trie.children(order, node)
            scores[self.trie.ids(order + 1, children).long()] = self.log_probs[order][children].to(torch.float64)
        return scores.cpu().numpy()

    def save(self, path: Path) -> None:
        """Write one safetensors file: tokens, first, log_probs and log_backoffs of each order."""
        tensors: dict[str, Tensor] = {"end_of_text": torch.tensor([self.end_of_text])}
        tensors["unseen_log_backoff"] = torch.tensor([self.unseen_log_backoff], dtype=torch.float64)
        for k in range(self.order):
            tensors[f"log_probs.{k + 1}"] = self.log_probs[k]
            if k:
                tensors[f"tokens.{k + 1}"] = self.trie.tokens[k]
            if k + 1 < self.order:
                tensors[f"first.{k + 1}"] = self.trie.first[k]
                tensors[f"log_backoffs.{k + 1}"] = self.log_backoffs[k]
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> BackoffModel:
        """Read what `save` wrote, memory-mapped. Raises LmbenchError naming the file where it is not whole."""
        try:
            tensors = load_file(path, device)
            order = sum(name.startswith("log_probs.") for name in tensors)
            log_probs = [tensors[f"log_probs.{k}"] for k in range(1, order + 1)]
            vocabulary = narrow(torch.arange(len(log_probs[0]), device=device), len(log_probs[0]))
            tokens = [vocabulary, *(tensors[f"tokens.{k}"] for k in range(2, order + 1))]
            first = [tensors[f"first.{k}"] for k in range(1, order)]
            log_backoffs = [tensors[f"log_backoffs.{k}"] for k in range(1, order)]
            unseen = float(tensors["unseen_log_backoff"])
            return cls(Trie(tokens, first), log_probs, log_backoffs, int(tensors["end_of_text"]), unseen)
        except (OSError, SafetensorError, KeyError, IndexError) as error:
            raise LmbenchError(f"{path}: not a whole n-gram model ({error}); fit it again with `lmbench run`") from None
