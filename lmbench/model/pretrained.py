"""A causal language model that somebody else trained, on the same bytes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench import files
from lmbench.corpus.agreed import agree, demand
from lmbench.errors import LmbenchError, UsageError
from lmbench.invocation import install
from lmbench.model import models
from lmbench.model._causal import Causal, Continued, freeze, merge
from lmbench.model._foreign_tokens import Reading, read
from lmbench.model._hub import check_saved, load_tokenizer, load_weights, quiet, untrained
from lmbench.model._of_net import OfNet
from lmbench.model._own_tokens import OwnTokens
from lmbench.model._per_token import per_token, watched
from lmbench.model.base import ModelCard
from lmbench.net.base import Setting, in_range
from lmbench.progress import Progress, Silent
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens
from lmbench.training.account import account, sentences
from lmbench.training.budget import Budget
from lmbench.training.checkpoint import put, tensors_of
from lmbench.training.device import BATCH
from lmbench.training.evaluation import log_probs, score, validation_windows
from lmbench.training.loop import Loop
from lmbench.training.options import Training
from lmbench.training.parallel import joined

__all__ = ["Pretrained"]

REQUIRES = ("transformers",)

RATE = {"zero_shot": 0.0, "finetune": 1e-4, "lora": 1e-3, "scratch": 1e-2}
PRETRAINED = "pretrained"  # the kind of name that a model without weights of its own is agreed to by
WEIGHTS = "weights"  # the folder, within the model's own, of weights that were trained here


class Pretrained(OfNet[Causal]):
    """A causal language model from the hub or a folder, by its own tokenizer: zero-shot, fine-tuned, or untrained.

    What is scored is the text itself, byte for byte: each document is encoded as a whole by the model's own tokenizer
    and every token of it predicted once, by a sliding window. A document begins with the tokenizer's
    beginning-of-text token (where it has none, its end-of-text token), which is read and not predicted, and which
    windows that begin further on are read without. It ends with its end-of-text token, which is predicted; where each
    line is a document, its newline is predicted and is the end. Each of its tokens is counted where its last byte
    lies, so that totals of documents are exact and bits per byte compare with those of every other row; figures per
    token do not, and are left out. Not to be confused with the tokenizer `pretrained`, which has any model of ours
    trained on somebody else's tokens.

    Needs the packages of the extra `hub`. Weights are read from safetensors alone; no code that comes with a model is
    run.

    Args:
        name_or_path: a model on the hub, or a folder with config.json, model.safetensors and tokenizer.json.
        mode: zero_shot scores it as it is; finetune goes on training it on the training split, within the budget of
            the run; scratch trains the same architecture from weights drawn anew.
        train: what of it finetune trains: all weights, the last layers (and what is above them), or LoRA (Hu et al.
            2021: a matrix of low rank beside each).
        layers: how many layers train=last trains.
        rank: of the matrices that train=lora adds.
        context: the most tokens a prediction looks back on; none: what the model has positions for, 2,048 at most.
        stride: how far the window slides when a text is scored; none: half the context.
        end: its token that ends a document, where its tokenizer names none.
        revision: branch, tag or commit on the hub.
        steps: optimiser steps to take; none: as many as the run's budget allows.
        batch: tokens in a step; none: what suits the device.
        learning_rate: size of a step, for matrices; vectors' (biases, norms) is three times as large, from scratch that
            of tables too; none: 0.0001 (AdamW) to finetune, 0.001 with LoRA, 0.01 (Muon) from scratch.
        head_rate: of mode=scratch: size of a step for the output layer, as a multiple of learning_rate; none: 3 to 0.1,
            less the more often the text is read, as for the nets trained here.
        weight_decay: how strongly weights are pulled towards zero at each step; none: 0 to finetune, 0.1 from scratch.
        patience: validations without a gain after which training comes to its end early.
        precision: of the multiplications in training, as for the nets trained here; scoring is in float32.
    """

    def __init__(
        self,
        name_or_path: str,
        mode: Literal["zero_shot", "finetune", "scratch"] = "zero_shot",
        train: Literal["all", "last", "lora"] = "all",
        layers: int = 1,
        rank: int = 8,
        context: int | None = None,
        stride: int | None = None,
        end: str | None = None,
        revision: str | None = None,
        steps: int | None = None,
        batch: int | None = None,
        learning_rate: float | None = None,
        head_rate: float | None = None,
        weight_decay: float | None = None,
        patience: int = 5,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        runtime: Runtime | None = None,
    ) -> None:
        in_range(1, None, layers=layers, rank=rank, context=context, stride=stride, steps=steps, batch=batch)
        if mode != "finetune" and train != "all":
            raise UsageError(f"pretrained: train={train} belongs to mode=finetune")
        if mode != "scratch" and head_rate is not None:
            raise UsageError("pretrained: head_rate belongs to mode=scratch")
        for package in ("transformers", *(["peft"] if train == "lora" else [])):
            if importlib.util.find_spec(package) is None:
                raise UsageError(f"pretrained: needs {package}, which is not installed: {install(package)}")
        self.name, self.mode, self.part, self.layers, self.rank = name_or_path, mode, train, layers, rank
        self.context, self.end, self.revision = context, end, revision
        rate = RATE["lora" if train == "lora" else mode]
        self.training = Training(
            steps=steps,
            batch=batch,
            learning_rate=rate if learning_rate is None else learning_rate,
            head_rate=head_rate,
            weight_decay=(0.1 if mode == "scratch" else 0.0) if weight_decay is None else weight_decay,
            patience=patience,
            precision=precision,
            stride=stride,
        )
        self.runtime = runtime or Runtime()
        self.card = ModelCard(own_tokens=True, dtype="float32")
        self._tokenizer: Any = None
        self._origin: dict[str, str | None] | None = None

    @staticmethod
    def trains(options: Mapping[str, Any]) -> bool:
        """Whether a model with these options is trained when it is fitted."""
        return str(options.get("mode", "zero_shot")) != "zero_shot"

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        """Load it, and train it where `mode` says so, within the runtime's budget; the weights of least validation
        loss are kept, the untouched ones among them.

        Raises LmbenchError where it cannot be loaded or the tokens have lost text, KeyboardInterrupt on Ctrl-C.
        """
        if self.mode == "zero_shot":
            self._begin(valid)
            return self
        with joined() as world:
            with world.agreed():
                held_out = self._begin(valid)
                text = self._read(train).tokens
                if not len(text):
                    raise LmbenchError(f"{self._label}: the training text has no tokens")
                share = len(held_out) / max(1, len(valid))
                self.runtime = replace(self.runtime, watch=watched(self.runtime.watch, share))
                adapted, before, loop = self._prepared(text, held_out)
            self._train(loop, adapted, before, len(text), progress)
        self.card.training |= per_token(self.card.training, share)
        return self

    def _begin(self, valid: Tokens) -> Tokens:
        """Load it; returns the validation text in tokens of its own, so that what cannot be scored is found before an
        hour of training."""
        self._origin = None
        self._tokenizer = load_tokenizer(self.name, self.revision)
        if self.mode == "scratch":
            model = untrained(self.name, self.revision, self.runtime.seed)
        else:
            model = load_weights(self.name, self.revision)
        self._adopt(model)
        self._describe()
        return self._read(valid).tokens

    def _adopt(self, model: Any) -> None:
        begin, end = self._ends()
        kind = Continued if self.mode == "finetune" else Causal
        self._net = kind(model, begin, end, self.context).to(self.runtime.device)
        self._net.eval()

    def _ends(self) -> tuple[int, int]:
        """The ids of the token before a document and of the one that ends it."""
        tokenizer = self._tokenizer
        end = tokenizer.eos_token_id
        if self.end is not None:
            end = tokenizer.convert_tokens_to_ids(self.end)
            if end is None or tokenizer.convert_ids_to_tokens(end) != self.end:
                raise UsageError(f"pretrained: {self.name!r} has no token {self.end!r}")
        begin = tokenizer.bos_token_id
        end = begin if end is None else end
        if end is None:
            raise UsageError(
                f"pretrained: the tokenizer of {self.name!r} names no token that ends a text; give one: end='<eos>'"
            )
        return int(end if begin is None else begin), int(end)

    def _read(self, tokens: Tokens) -> Reading:
        return read(tokens, self._tokenizer.backend_tokenizer, self.net.end, self.net.vocabulary, self._label)

    @property
    def _label(self) -> str:
        return f"pretrained {self.name!r}"

    def _prepared(self, text: Tokens, held_out: Tokens) -> tuple[Any, float | None, Loop]:
        """What `merge` needs, the validation loss before any training, and the loop that trains."""
        net, runtime = self.net, self.runtime
        adapted = None
        if self.mode == "finetune":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(runtime.seed)
                adapted = freeze(net, self.part, self.layers, self.rank)
                net.to(runtime.device)
        before = self._validate(held_out)
        length = min(net.row, len(text))
        rows = max(1, (self.training.batch or BATCH[runtime.device]) // length)
        budget = Budget.of(runtime, self.training.steps, rows * length)
        if self.mode == "scratch" and self.training.head_rate is None:
            tokens = budget.tokens_at(net.costs(length)["flops_per_token"])
            setting = Setting(net.vocabulary, len(text), runtime.device, budget.seconds, tokens)
            self.training = replace(self.training, head_rate=setting.head_rate)
        loop = Loop(net, text, held_out, self.training, budget, rows, runtime, {
            "model": self._source(),
            "training": asdict(self.training),
            "part": [self.part, self.layers, self.rank],
            "batch": rows * length,
            "seed": runtime.seed,
            "training text": text.hash,
            "validation text": held_out.hash,
        })  # fmt: skip
        return adapted, before, loop

    def _train(self, loop: Loop, adapted: Any, before: float | None, text: int, progress: Progress) -> None:
        net = self.net
        kept = {name: tensor.clone() for name, tensor in tensors_of(net).items()}
        loop.run(self._label, progress)
        best = loop.state.best
        if self.mode == "finetune" and before is not None and best is not None and best >= before:
            put(net, kept, "the pretrained weights")
            loop.state.notes.append("training did not lower the validation loss: the weights are those it began with")
        costs = net.costs(loop.data.length)
        if self.mode == "finetune":
            merge(net, adapted)
        self._describe_training(loop, costs, before, text)

    def _validate(self, held_out: Tokens) -> float | None:
        """Nats per token of its own before any training, on the windows that the loop validates on."""
        windows = validation_windows(held_out, self.net.row, self.runtime.device)
        if not len(windows):
            return None
        return -float(log_probs(self.net, held_out, windows, self.runtime.device).sum()) / windows.scored

    def _source(self) -> dict[str, str | None]:
        """Which model it is: its name and what tells one version of it from another."""
        if self._origin is None:
            path = Path(self.name)
            if path.is_dir():
                self._origin = {"name": str(path.resolve()), "revision": _hash_of(path, self.mode != "scratch")}
            else:
                self._origin = {"name": self.name, "revision": getattr(self.net.model.config, "_commit_hash", None)}
        return self._origin

    def _describe(self) -> None:
        net = self.net
        lookback = f"the last {net.row} of its tokens at most, by a window that slides by {self.stride}"
        token = self._tokenizer.convert_ids_to_tokens
        notes = [
            f"predicts the same bytes by its own {net.vocabulary:,} tokens, from {lookback}: bits per byte compare "
            "with other rows; figures per token, and differences in them, do not",
            f"{token(net.begin)} stands before every document (windows that begin further on are read without it), "
            f"and {token(net.end)} (or the newline, where lines are documents) is predicted at its end",
        ]
        if self.mode != "scratch":
            notes.append("what it was trained on is not known here: the test text may have been among it")
        self.card = ModelCard(
            parameters=sum(parameter.numel() for parameter in net.parameters()),
            context=net.context,
            stride=self.stride,
            own_tokens=True,
            dtype="float32",
            training={
                "mode": self.mode,
                **self._source(),
                "architecture": type(net.model).__name__,
                "transformers": version("transformers"),
            },
            notes=notes,
        )

    def _describe_training(self, loop: Loop, costs: dict[str, int], before: float | None, text: int) -> None:
        """Losses are in nats per token of its own here; `per_token` says what they are per token of the run."""
        curve = list[dict[str, Any]](loop.state.curve)
        if before is not None:
            curve.insert(0, {"tokens": 0, "seconds": 0.0, "flops": 0.0, "train": None, "valid": before})
        self.card.training |= {
            "part": self.part if self.mode == "finetune" else "all",
            **asdict(self.training),
            **costs,
            **account(loop, text),
            "before_training": before,
            "curve": curve,
        }
        self.card.notes += sentences(loop)

    def log_probs(self, tokens: Tokens, progress: Progress | None = None) -> NDArray[np.float64]:
        """[n] nats: at each of our tokens, what those of its own cost that end in it; 0 where none does.

        Their sum over a document is ln p of the document. Raises LmbenchError where a tokenizer, ours or its own, has
        lost text.
        """
        reading = self._read(tokens)
        found = score(self.net, reading.tokens, self.stride, self.runtime.device, progress or Silent())
        return reading.laid_over(found, len(tokens))

    def reread(self, tokens: Tokens) -> Tokens:
        """The same text in its own tokens, each document encoded as a whole."""
        return self._read(tokens).tokens

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Raises UsageError: what follows is a distribution over tokens that are not ours."""
        raise UsageError(
            f"{self._label} predicts tokens of its own, so that it has no distribution over the next token of this "
            "run; choose a model that was fitted on the run's tokens"
        )

    def own_tokens(self) -> OwnTokens:
        """The model as it writes, in tokens of its own."""
        stride = self.stride
        assert stride is not None  # only a recurrent net of ours has none
        return OwnTokens(self.net, self._tokenizer.backend_tokenizer, stride)

    def save(self, folder: Path) -> None:
        """Name and revision of what was scored as it is; weights and tokenizer of what was trained."""
        settings = {
            "mode": self.mode,
            "context": self.net.row,
            "end": self._tokenizer.convert_ids_to_tokens(self.net.end),
            "stride": self.training.stride,
        }
        (folder / "config.json").write_text(json.dumps(self._source() | settings, indent=2), encoding="utf-8")
        if self.mode != "zero_shot":
            with quiet():
                self.net.model.save_pretrained(folder / WEIGHTS)
                self._tokenizer.save_pretrained(folder / WEIGHTS)
        self.card.save(folder / "card.json")
        agree(PRETRAINED, [self._source()["name"], self._source()["revision"]])

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "config.json"
        with files.whole(path, "model"):
            config = files.read_json(path)
            name, revision = files.field(config, "name", str), files.field(config, "revision", (str, type(None)))
            options = {key: config[key] for key in ("mode", "context", "end", "stride")}
            models.check(Spec("pretrained", {"name_or_path": name, **options}))
            model = cls(name, **options, runtime=Runtime(device=device))
            model._origin = {"name": name, "revision": revision}
        trained = model.mode != "zero_shot"
        if trained:
            check_saved(files.sealed(files.inside(folder, WEIGHTS)))
        else:
            demand(PRETRAINED, [name, revision], path, f"the weights of {name!r}")
        local = not trained and Path(model.name).is_dir()
        if local and _hash_of(Path(model.name), weights=True) != revision:
            raise LmbenchError(f"{model.name}: its weights are no longer those that were scored; run the model again")
        source = str(folder / WEIGHTS) if trained else model.name
        model.revision = None if trained or local else revision
        model._tokenizer = load_tokenizer(source, model.revision)
        model._adopt(load_weights(source, model.revision))
        model.runtime = replace(model.runtime, device=device)
        model.card = ModelCard.load(folder / "card.json")
        return model


def _hash_of(folder: Path, weights: bool) -> str:
    """SHA-256 over the folder's JSON files and, where asked for, its safetensors: names and contents."""
    digest = hashlib.sha256()
    patterns = ("*.json", "*.safetensors") if weights else ("*.json",)
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
