"""Every net of `lmbench.net` as a model: sized, trained, scored by sliding window, saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.disk import save_tensors
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.model._of_net import OfNet
from lmbench.model.base import ModelCard
from lmbench.net import nets
from lmbench.net._sizing import blueprint, check_weights, widest
from lmbench.net.base import Net, Recurrent, Setting, build
from lmbench.net.base import State as NetState
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens
from lmbench.training.account import account, sentences
from lmbench.training.budget import Budget
from lmbench.training.checkpoint import put, tensors_of
from lmbench.training.device import BATCH
from lmbench.training.evaluation import (
    carried_log_probs,
    hidden_states,
    log_probs,
    score,
    scoring,
    slide,
    window_start,
)
from lmbench.training.loop import Loop
from lmbench.training.optimiser import TABLE_RATE
from lmbench.training.options import Training
from lmbench.training.parallel import joined
from lmbench.training.shuffle import shuffled, unigram_entropy
from lmbench.training.stepping import Reading, advance

__all__ = ["Neural"]

LARGE_BATCH = {"cpu": 2_048, "cuda": 65_536}  # in place of BATCH, for a text that is not read over and over
LARGE_TEXT = 10_000_000
CARD_BYTES = 8_000  # what is stored beside the weights: options, and the learning curve
TRAINING_LOSS = {"cpu": 32_768, "cuda": 262_144}  # training tokens that the loss on them is measured on
BLOCK = 64  # places that a recurrent net reads at once when asked for the next token, and that have all logits at once
_LARGEST = 1e9  # of a weight that is read
SHARED = frozenset(field.name for field in fields(Training))


class Neural(OfNet[Net]):
    """A net, trained by the one loop and scored exactly.

    `net` is the architecture's name, `options` its own options and those of `Training`. A prediction sees what the
    sliding window of its place in the document holds (`training.evaluation.window_start`); `next_log_probs` takes
    the place from the length of its context, and so sees the same.
    """

    def __init__(self, net: str, runtime: Runtime | None = None, **options: Any) -> None:
        self.name = net
        self.architecture: type[Net] = nets.load(net)
        self.runtime = runtime or Runtime()
        self.training = Training(**{key: value for key, value in options.items() if key in SHARED})
        self.options = {key: value for key, value in options.items() if key not in SHARED}
        self.card = ModelCard(dtype="float32")
        self.end_of_text = -1
        self._held: tuple[NDArray[np.int64], NetState] = (np.empty(0, np.int64), ())
        if self.runtime.device == "cuda" and not torch.cuda.is_available():
            raise LmbenchError(f"{net}: there is no GPU that torch can use here; give --device cpu")

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        """Train within the runtime's budget (a default one of about a minute), keep the weights of least validation
        loss.

        With `shuffled` the tokens are put in random order first, nothing is validated, and the last weights stay.

        Raises LmbenchError where the training text is empty, and KeyboardInterrupt on Ctrl-C, after a checkpoint.
        """
        if not len(train):
            raise LmbenchError(f"{self.name}: the training text has no tokens")
        if self.training.shuffled:
            train, valid = shuffled(train, self.runtime.seed), valid.head(0)
        with joined() as world:
            with world.agreed():
                loop, notes = self._prepared(train, valid)
            loop.run(self.name, progress)
            self._describe(loop, len(train), notes)
        return self

    def _prepared(self, train: Tokens, valid: Tokens) -> tuple[Loop, list[str]]:
        net, notes = self._build(train)
        self._net, self.end_of_text = net, train.vocabulary.end_of_text
        self._held = (np.empty(0, np.int64), ())
        length = min(net.row, len(train))
        rows = self._rows(len(train), length)
        budget = Budget.of(self.runtime, self.training.steps, rows * length)
        identity = {
            "net": self.name,
            "options": self.options,
            "training": asdict(self.training),
            "budget": asdict(budget),
            "batch": rows * length,
            "seed": self.runtime.seed,
            "vocabulary": train.vocabulary.hash,
            "training text": train.hash,
            "validation text": valid.hash,
        }
        return Loop(net, train, valid, self.training, budget, rows, self.runtime, identity), notes

    def _build(self, train: Tokens) -> tuple[Net, list[str]]:
        """The untrained net on the device, sized for the text."""
        runtime = self.runtime
        limits = Budget.of(runtime, self.training.steps, self.training.batch or BATCH[runtime.device])
        setting = Setting(len(train.vocabulary), len(train), runtime.device, limits.seconds, limits.tokens)
        if runtime.stored_bytes is not None:
            width = widest(self.architecture, setting, self.options, runtime.stored_bytes - CARD_BYTES)
            self.options = {**self.options, "width": width}
        if limits.flops is not None:
            drawn = blueprint(self.architecture, setting, self.options)
            cost = drawn.costs(min(drawn.row, len(train)))["flops_per_token"]
            setting = replace(setting, tokens=limits.tokens_at(cost))
        if self.training.head_rate is None:
            rate = setting.head_rate if self.architecture.slow_output else TABLE_RATE
            self.training = replace(self.training, head_rate=rate)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(runtime.seed)
            net, options = build(self.architecture, setting, self.options)
            notes = []
            if net.context is not None and net.context > len(train):
                notes.append(f"context {net.context} shortened to {len(train)}, the tokens of the training text")
                torch.manual_seed(runtime.seed)
                net, options = build(self.architecture, setting, {**self.options, "context": len(train)})
        self.options = options
        return net.to(runtime.device), notes

    def _rows(self, text: int, length: int) -> int:
        """Rows in a batch: what was asked for, else the device's measure, but of a short text not the same again and
        again (nor so few that a step is not worth its overhead)."""
        if self.training.batch is not None:
            return max(1, self.training.batch // length)
        measure = (LARGE_BATCH if text >= LARGE_TEXT else BATCH)[self.runtime.device]
        return max(1, min(measure, max(text, 256)) // length)

    def _describe(self, loop: Loop, text: int, notes: list[str]) -> None:
        costs = self.net.costs(loop.data.length)
        self.card = ModelCard(
            parameters=costs["parameters"],
            context=self.net.context,
            dtype="float32",
            stride=self.stride,
            control=self.training.shuffled,
            training={
                "net": self.name,
                "options": self.options,
                **asdict(self.training),
                **costs,
                **account(loop, text),
            },
            notes=notes + sentences(loop),
        )

    def measure_training_loss(self, train: Tokens) -> None:
        """Put on the card what the kept weights lose on the text they were trained on, in nats per token.

        `train` is what `fit` was given. Scored as the test text is, without dropout: on windows spread evenly over the
        text, or from its beginning where a state is carried; `tokens` says how many were scored. `unigram_entropy` is
        of the training text, the ends of its documents known: with `shuffled`, what a net without memory of it cannot
        fall below.
        """
        if self.training.shuffled:
            train = shuffled(train, self.runtime.seed)
        net, device, most = self.net, self.runtime.device, TRAINING_LOSS[self.runtime.device]
        if self.stride is None:
            assert isinstance(net, Recurrent)
            part = train.head(most)
            loss, scored = -carried_log_probs(net, part, device).sum(), len(part)
        else:
            windows = slide(train, net.row, self.stride).sample(most)
            loss, scored = -log_probs(net, train, windows, device).sum(), windows.scored
        self.card.training["training_loss"] = {
            "nats_per_token": float(loss) / scored,
            "tokens": scored,
            "unigram_entropy": unigram_entropy(train),
        }

    def log_probs(self, tokens: Tokens, progress: Progress | None = None) -> NDArray[np.float64]:
        """[n] nats. Raises LmbenchError where `tokens` are of another vocabulary."""
        if len(tokens.vocabulary) != self.net.vocabulary:
            raise LmbenchError(
                f"{self.name}: fitted on a vocabulary of {self.net.vocabulary}, asked about one of "
                f"{len(tokens.vocabulary)}; use the tokenizer that it was fitted with"
            )
        return score(self.net, tokens, self.stride, self.runtime.device, progress)

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[V] nats, given the ids of a document so far."""
        hidden = self.state_after(context)
        with scoring(self.net):
            logits = self.net.logits(hidden[None])[0].double()
            found: NDArray[np.float64] = (logits - logits.logsumexp(0)).cpu().numpy()
        return found

    def state_after(self, context: NDArray[np.integer[Any]]) -> Tensor:
        """[C] the vector from which the token after `context`, the ids of a document so far, is predicted."""
        read = np.concatenate([[self.end_of_text], context]).astype(np.int64)
        with scoring(self.net):
            return self._carried(read) if self.stride is None else self._windowed(read, self.stride)

    def states(self, tokens: Tokens) -> Iterator[tuple[int, Tensor]]:
        """The vector from which each of `tokens` is predicted: (offset, [m, C]), one stretch after the other."""
        return hidden_states(self.net, tokens, self.stride, self.runtime.device)

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        """[m, V] nats: what is predicted at each of `tokens`, from windows moved as in scoring."""
        for _, hidden in self.states(tokens):
            for part in torch.split(hidden, BLOCK):
                with scoring(self.net):
                    logits = self.net.logits(part).double()
                    found: NDArray[np.float64] = (logits - logits.logsumexp(1, keepdim=True)).cpu().numpy()
                yield found

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[q, V] nats, see `Windowed`: given the last `row` tokens of each window at most (a net that carries a state
        reads all of them, from the state before a document)."""
        read = torch.from_numpy(windows.astype(np.int64)).to(self.runtime.device)
        with scoring(self.net):
            if not isinstance(self.net, Recurrent):
                read = read[:, -self.net.row :]
            ends = read[:, 1:] == self.end_of_text
            documents = torch.nn.functional.pad(ends, (1, 0)).cumsum(1) if bool(ends.any()) else None
            hidden = self.net.hidden(read, documents)[:, -1]
            logits = self.net.logits(hidden).double()
            found: NDArray[np.float64] = (logits - logits.logsumexp(1, keepdim=True)).cpu().numpy()
        return found

    def start(self, rows: int, end_of_text: int) -> Reading:
        return Reading.of(self.net, rows)

    def step(self, ids: NDArray[np.int64], state: Reading) -> tuple[Tensor, Reading]:
        """As `Stepping`: keys and values of a transformer are kept, and the state of a recurrent net."""
        return self.log_probs_from(self.read_on(ids, state)), state

    def read_on(self, ids: NDArray[np.int64], state: Reading) -> Tensor:
        """[q, C] the vectors that what follows is predicted from, once each text has read its `ids` [q, T]; changes
        `state`."""
        return advance(self.net, ids, state, self.stride, self.end_of_text)

    def log_probs_from(self, hidden: Tensor) -> Tensor:
        """[q, V] nats, on the device, predicted from vectors [q, C]."""
        with scoring(self.net):
            logits = self.net.logits(hidden).double()
            return logits - logits.logsumexp(1, keepdim=True)

    def _windowed(self, read: NDArray[np.int64], stride: int) -> Tensor:
        """[C] after what the window of this place holds."""
        start = window_start(len(read) - 1, self.net.row, stride)
        return self.net.hidden(self._on_device(read[start:]))[0, -1]

    def _carried(self, read: NDArray[np.int64]) -> Tensor:
        """[C] after everything. Whole blocks are read in the same way whatever was asked before, and the state after
        the last of them is kept, so that a text that grows token by token is not read from its beginning each time."""
        net = self.net
        assert isinstance(net, Recurrent)
        whole = (len(read) - 1) // BLOCK * BLOCK
        held, state = self._held
        if not len(held) or len(held) > whole or not np.array_equal(held, read[: len(held)]):
            held, state = read[:0], net.start(1)
        for at in range(len(held), whole, BLOCK):
            state = net.run(self._on_device(read[at : at + BLOCK]), state)[1]
        self._held = (read[:whole], state)
        return net.run(self._on_device(read[whole:]), state)[0][0, -1]

    def _on_device(self, ids: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(ids)[None].to(self.runtime.device)

    def save(self, folder: Path) -> None:
        tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors_of(self.net).items()}
        save_tensors(folder / "model.safetensors", tensors)
        config = {
            "net": self.name,
            "options": self.options,
            "training": asdict(self.training),
            "vocabulary": self.net.vocabulary,
            "end_of_text": self.end_of_text,
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path, weights = folder / "config.json", folder / "model.safetensors"
        with files.whole(weights, "net"):
            shapes = files.tensor_shapes(weights)
        with files.whole(path, "net"):
            config = files.read_json(path)
            vocabulary = files.whole_number(config, "vocabulary", 1, files.MOST_TOKENS)
            name, options = files.field(config, "net", str), files.field(config, "options", dict)
            training = files.field(config, "training", dict)
            models.check(Spec(name, {**options, **training}))
            model = cls(name, Runtime(device=device), **options, **training)
            check_weights(model.architecture, vocabulary, options, shapes)
            model._net = model.architecture(vocabulary, **options)
            model.end_of_text = files.whole_number(config, "end_of_text", 0, vocabulary - 1)
        model.card = ModelCard.load(folder / "card.json")
        with files.whole(weights, "net"):
            tensors = files.read_tensors(weights)
            for name, tensor in tensors.items():
                files.within(tensor.reshape(-1), -_LARGEST, _LARGEST, name)
        put(model.net, tensors, weights)
        model.net.to(device).eval()
        model.runtime = replace(model.runtime, device=device)
        return model
