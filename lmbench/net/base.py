"""The contract between an architecture and the loop that trains it.

A net reads rows of ids and predicts, at every place of a row, the id that follows. Rows are
cut from a text whose documents stand one after the other; `documents` says which document
each place belongs to, and nothing may flow from one document into the next.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.errors import UsageError
from lmbench.net._output import linear_cross_entropy

State = tuple[Tensor, ...]  # what a net has read: tensors whose second dimension is the row, [., B, ...]

FEW = 1_024  # types whose logits take no more room than what the layers keep anyway
SPEED = {"cpu": 20_000, "cuda": 1_000_000}  # tokens/s of training, roughly, of a net that suits the device


@dataclass(frozen=True)
class Setting:
    """What a net is sized for: the vocabulary, the length of the training text, the device and the budget.

    `seconds` and `tokens` are the training budget; None where there is no limit of that kind.
    """

    vocabulary: int
    train_tokens: int
    device: str = "cpu"
    seconds: float | None = None
    tokens: int | None = None

    @property
    def epochs(self) -> float:
        """Roughly how often training will read the text, at the speed of a net that suits the device."""
        speed = SPEED[self.device]
        allowed = [limit for limit in (self.tokens, self.seconds and self.seconds * speed) if limit is not None]
        return min(allowed, default=0.0) / max(1, self.train_tokens)

    @property
    def dropout(self) -> float:
        """None for a text read once or twice, up to 0.3 for one read more than thirty times."""
        return next((rate for epochs, rate in ((30, 0.3), (10, 0.2), (3, 0.1)) if self.epochs > epochs), 0.0)

    @property
    def head_rate(self) -> float:
        """The output layer's learning rate as a multiple of the matrices': 0.7 / sqrt(epochs), within 0.1 .. 3.

        A rare token's row of the output layer learns its few contexts by heart in as few large steps. Least validation
        losses of `lmbench run SOURCE --train-tokens 500000 --model 'transformer(head_rate=R)'`, in nats per token:

        text                           epochs   R = 3      1    0.6    0.3    0.2    0.1
        python-docs                         5   5.577  5.107  4.957  4.959      -  5.096
        novels, 5 million characters      0.4   4.885  4.898  4.926  5.001      -      -
        Shakespeare, first 80 thousand     25   6.565      -      -  5.924  5.913  5.910
        """
        return min(3.0, max(0.1, 0.7 / math.sqrt(max(self.epochs, 1e-3))))


class Net(nn.Module, ABC):
    """An architecture: `hidden` maps ids to vectors, the layer `head` maps vectors to scores of every next id.

    A plug-in is a subclass whose `__init__` takes the size of the vocabulary and then its options. `row` is the length
    of the rows it is trained and scored on; `context` is how many ids a prediction can depend on: all of a row for a
    transformer, fewer for a feed-forward net over the last n-1 ids, None where there is no limit (`Recurrent`). One
    whose output is more than `head` and `softcap` overrides `logits` and `forward`.
    """

    vocabulary: int
    row: int
    context: int | None
    muon: ClassVar[bool] = True  # whether Muon suits its matrices; AdamW takes them otherwise
    slow_output: ClassVar[bool] = (
        True  # whether `Setting.head_rate` suits its output layer; it learns as tables do else
    )
    compiles: ClassVar[bool] = True  # whether torch.compile gains anything
    captures_documents: ClassVar[bool] = True  # whether a CUDA graph can hold its step on rows of several documents
    head: nn.Linear  # the output layer
    softcap: float | None = None  # the logits are bounded smoothly to -softcap .. softcap

    @abstractmethod
    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        """[B, T] ids -> [B, T, C] vectors. `documents`: [B, T], equal within a document and
        different across a boundary; None where every row lies within one document."""

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., C] -> [..., V] in float32: unnormalised natural-log probabilities of the next id."""
        logits: Tensor = self.head(hidden).float()
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def start(self, rows: int) -> State:
        """What has been read before a document's first token, for so many rows: nothing."""
        device = next(self.parameters()).device
        held = torch.zeros(1, rows, self.row, dtype=torch.int64, device=device)
        return held, torch.zeros(1, rows, dtype=torch.int64)

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """[B, T] ids of one document a row, read on from `state` -> [B, T, C] vectors, those of `hidden` for all that
        the row has read, and the state after the last. Rows may have read unequally much, but, unless the net is
        `Recurrent`, no more than `row` ids each. `state` is used up.

        A net that keeps nothing reads all of it again, as here; the counts of what was read stay on the CPU.
        """
        held, lengths = state
        found = None
        for length in sorted(set(lengths[0].tolist())):
            rows = torch.nonzero(lengths[0] == length).squeeze(1).to(ids.device)
            hidden = self.hidden(torch.cat([held[0, rows, :length], ids[rows]], dim=1))[:, length:]
            if found is None:
                found = hidden.new_empty(*ids.shape, hidden.shape[-1])
            found[rows] = hidden
            held[0, rows, length : length + ids.shape[1]] = ids[rows]
        assert found is not None
        return found, (held, lengths + ids.shape[1])

    def forward(self, ids: Tensor, targets: Tensor, documents: Tensor | None = None) -> Tensor:
        """Mean cross-entropy in nats of `targets` [B, T], where `targets[b, t]` follows `ids[b, t]`."""
        hidden = self.hidden(ids, documents)
        if self.vocabulary < FEW:
            return F.cross_entropy(self.logits(hidden).flatten(0, 1), targets.flatten())
        return linear_cross_entropy(hidden, self.head.weight, self.head.bias, targets, self.softcap)

    @property
    def logits_kept(self) -> int:
        """How many logits a place takes memory for until its gradient is there, or what takes as much."""
        return min(self.vocabulary, FEW)

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        """Values for the options that the user left out, where the declared default does not fit `setting`."""
        return {}

    @property
    def output(self) -> Tensor | None:
        """The matrix of the output layer, which may be the embedding's too; None where there is no `head`."""
        head = getattr(self, "head", None)
        return head.weight if isinstance(head, nn.Linear) else None

    def regions(self) -> list[nn.Module]:
        """What torch.compile fuses, each by itself: layers of one shape, which share what was compiled, or the net."""
        return [self]

    def matrices(self) -> list[nn.Parameter]:
        """The hidden matrices: what maps vectors to vectors. Embedding tables and the output layer are not among
        them, for a step of equal size in every singular direction (Muon) suits only the former."""
        tables = {id(p) for module in self.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
        tables |= {id(p) for name, p in self.named_parameters() if name.startswith("head.")}
        return [p for p in self.parameters() if p.ndim == 2 and id(p) not in tables]

    def attention_flops(self, length: int) -> int:
        """Floating-point operations a token costs in a forward pass of a row of `length`, beyond the 2 per weight."""
        return 0

    def costs(self, length: int) -> dict[str, int]:
        """Parameters, and floating-point operations per trained token.

        flops = 6 N + 3 A: two for each multiplied weight forward, four backward, N being the weights that a token
        is multiplied with (every matrix and the output layer, not the look-up in the embedding table), and A the
        forward operations of attention, 4 x layers x width x length, masked half included.
        Kaplan et al. 2020, section 2.1 and table 1; Chowdhery et al. 2022 (PaLM), appendix B.
        """
        total = sum(p.numel() for p in self.parameters())
        tables = {id(m.weight): m.weight for m in self.modules() if isinstance(m, nn.Embedding)}
        looked_up = sum(p.numel() for p in tables.values())
        weights = [p for p in self.parameters() if p.ndim >= 2 and id(p) not in tables]
        multiplied = sum(p.numel() for p in weights)
        if self.output is not None and id(self.output) in tables:  # tied: one table, looked up and multiplied
            multiplied += self.output.numel()
        return {
            "parameters": total,
            "parameters_without_embeddings": total - looked_up,
            "flops_per_token": 6 * multiplied + 3 * self.attention_flops(length),
        }


class Recurrent(Net):
    """A net that carries a state from place to place, and so has no end to its context when it is scored.

    Rows of `row` tokens start from `start`'s state in training, and the gradient flows back no further than that.
    """

    context: None = None

    @abstractmethod
    def start(self, rows: int) -> State:
        """The state before a document's first token, for so many rows."""

    @abstractmethod
    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """[B, T] ids of one document a row, read on from `state` -> [B, T, C] vectors and the state after the last."""


def build(net: type[Net], setting: Setting, given: dict[str, Any]) -> tuple[Net, dict[str, Any]]:
    """The net for `setting`, and the options it was built with: those `given`, then the net's own choice."""
    options = {**net.sizes(setting, given), **given}
    return net(setting.vocabulary, **options), options


def in_range(low: float, high: float | None, **options: float | None) -> None:
    """Raises UsageError for the first of `options` that is not within `low` .. `high`; None stands for no value."""
    for name, value in options.items():
        if value is not None and not (low <= value and (high is None or value <= high)):
            wanted = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
            raise UsageError(f"{name} must be {wanted}, not {value:g}")


def is_share(**options: float) -> None:
    """Raises UsageError for the first of `options` that is not within 0 .. 1, or is 1: of a share of activations set to
    zero nothing would be left."""
    for name, value in options.items():
        if not 0 <= value < 1:
            raise UsageError(f"{name} must be 0 or more and less than 1, not {value:g}")


def same_document(documents: Tensor) -> Tensor:
    """[B, T] -> [B, 1, T, T] bool: whether place t may look at place s, in its document and not after it."""
    length = documents.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & causal)[:, None]


def places(documents: Tensor) -> Tensor:
    """[B, T] -> [B, T] int64: how far each place is from the beginning of its document in the row.

    `[[0, 0, 1, 1, 1]] -> [[0, 1, 0, 1, 2]]`.
    """
    index = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    new = F.pad(documents[:, 1:] != documents[:, :-1], (1, 0), value=True)
    return index - torch.where(new, index, 0).cummax(1).values
