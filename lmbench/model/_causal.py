"""A causal language model of the library `transformers` as one of our nets, so that it is trained and scored as they
are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.errors import LmbenchError, UsageError
from lmbench.model._hub import quiet
from lmbench.net._output import linear_cross_entropy
from lmbench.net.base import Net

LONGEST = 2_048  # tokens looked back on, of a model that could read more
Part = Literal["all", "last", "lora"]


class Causal(Net):
    """`model` (a `PreTrainedModel` with a language-model head) as a net with rows of `context`.

    The id `end` is read as `begin`, with which the model's documents begin. Documents that share a row in training
    are read one after the other, as such models were trained; scoring never reads two. A window that begins in the
    middle of a document is read without `begin` before it.

    Raises LmbenchError where the model has no output for `begin` or `end`, or looks ahead.
    """

    compiles: ClassVar[bool] = False

    def __init__(self, model: Any, begin: int, end: int, context: int | None) -> None:
        super().__init__()
        self.model = model
        self.config = model.config.get_text_config()
        self.begin, self.end = begin, end
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        if max(begin, end) >= self.vocabulary:
            raise LmbenchError(
                f"pretrained: its tokenizer ends texts with id {max(begin, end)} and the model has only "
                f"{self.vocabulary} outputs; give another token: end='<eos>'"
            )
        longest = longest_context(self.config)
        if context is not None and longest is not None and context > longest:
            raise UsageError(f"pretrained: context {context} is more than the {longest} positions that the model has")
        self.row = self.context = context or min(longest or LONGEST, LONGEST)
        self._check_causal()
        self.whole = not self._head_is_all()

    def _read(self, ids: Tensor) -> dict[str, Any]:
        read = torch.where(ids == self.end, self.begin, ids)
        return {"input_ids": read, "attention_mask": torch.ones_like(read), "use_cache": False}

    @contextmanager
    def _trial(self) -> Iterator[dict[str, Any]]:
        """What the model reads of a few ids, to try it on."""
        was = self.training
        self.eval()
        with torch.inference_mode():
            yield self._read(torch.arange(min(7, self.vocabulary), device=self.model.device)[None])
        self.train(was)

    def _check_causal(self) -> None:
        """`transformers` gives encoders such a head too: their predictions change with the id that is predicted."""
        with self._trial() as inputs:
            changed = inputs["input_ids"].clone()
            changed[:, -1] = (changed[:, -1] + self.vocabulary // 2) % self.vocabulary
            logits = self.model(**inputs).logits[:, :-1].float()
            others = self.model(**inputs | {"input_ids": changed}).logits[:, :-1].float()
            blind = torch.allclose(logits, others, rtol=1e-4, atol=1e-4 * float(logits.abs().amax()))
        if not blind:
            raise LmbenchError(
                f"pretrained: {type(self.model).__name__} looks ahead, so that it is no causal language model; give "
                "one that predicts each token from those before it"
            )

    def _head_is_all(self) -> bool:
        """Whether the logits are what `logits` makes of the last vectors; where they are not, `hidden` gives the logits
        themselves, which takes more memory."""
        with self._trial() as inputs:
            hidden = self.model.base_model(**inputs)[0]
            fits = hidden.shape[-1] == self.model.get_output_embeddings().weight.shape[1]
            close = fits and torch.allclose(self._from_hidden(hidden), self.model(**inputs).logits.float(), atol=1e-4)
        return bool(close)

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        found: Tensor = (
            self.model(**self._read(ids)).logits if self.whole else self.model.base_model(**self._read(ids))[0]
        )
        return found

    def read_on(self, ids: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """[B, T] ids that rows read after what is in `cache`, of the library's kind, None for nothing -> [B, T, C]
        vectors, and the cache then; None where this architecture keeps none."""
        inputs = self._read(ids) | {"use_cache": True}
        if cache is not None:
            seen = ids.shape[1] + int(cache.get_seq_length())
            inputs |= {"past_key_values": cache, "attention_mask": ids.new_ones(len(ids), seen)}
        found = self.model(**inputs) if self.whole else self.model.base_model(**inputs)
        return found.logits if self.whole else found[0], getattr(found, "past_key_values", None)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden.float() if self.whole else self._from_hidden(hidden)

    def _from_hidden(self, hidden: Tensor) -> Tensor:
        """The output matrix, and what some models do after it: multiply, divide, or bound smoothly."""
        logits: Tensor = self.model.get_output_embeddings()(hidden).float() * self._scale
        return logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)

    @property
    def _scale(self) -> float:
        scale = getattr(self.config, "logit_scale", None) or 1.0
        return float(scale) / float(getattr(self.config, "logits_scaling", None) or 1.0)

    @property
    def _cap(self) -> float | None:
        return getattr(self.config, "final_logit_softcapping", None)

    @property
    def logits_kept(self) -> int:
        return self.vocabulary

    def forward(self, ids: Tensor, targets: Tensor, documents: Tensor | None = None) -> Tensor:
        hidden, head = self.hidden(ids), self.model.get_output_embeddings()
        if self.whole or type(head) is not nn.Linear or (head.bias is not None and self._scale != 1.0):
            return F.cross_entropy(self.logits(hidden).flatten(0, 1), targets.flatten())
        return linear_cross_entropy(hidden * self._scale, head.weight, head.bias, targets, self._cap)

    @property
    def output(self) -> Tensor | None:
        """The matrix of the output layer, which may be the embedding's too."""
        weight: Tensor = self.model.get_output_embeddings().weight
        return weight

    def matrices(self) -> list[nn.Parameter]:
        """As `Net.matrices`. What the library has fused (GPT-2's queries, keys and values) is one matrix to Muon, for
        an optimiser takes whole parameters."""
        return [p for p in super().matrices() if p.requires_grad and p is not self.output]

    def attention_flops(self, length: int) -> int:
        return 4 * int(self.config.num_hidden_layers) * int(self.config.hidden_size) * length

    def costs(self, length: int) -> dict[str, int]:
        """As `Net.costs`, of what is trained: two operations for each weight forward, two for the gradient of what it
        reads, and two for its own, which frozen weights do not need. Of frozen layers below all trained ones not even
        the former is, so that for these it is an upper bound."""
        tables = {id(m.weight): m.weight for m in self.modules() if isinstance(m, nn.Embedding)}
        head = self.model.get_output_embeddings().weight
        used = [p for p in self.parameters() if p.ndim >= 2 and (id(p) not in tables or p is head)]
        total = sum(p.numel() for p in self.parameters())
        multiplied, trained = (sum(p.numel() for p in used if p.requires_grad or not own) for own in (False, True))
        return {
            "parameters": total,
            "parameters_without_embeddings": total - sum(table.numel() for table in tables.values()),
            "trained_parameters": sum(p.numel() for p in self.parameters() if p.requires_grad),
            "flops_per_token": 4 * multiplied + 2 * trained + 3 * self.attention_flops(length),
        }


class Continued(Causal):
    """One whose training goes on from weights that are good already: AdamW, as they were trained, in small steps."""

    muon: ClassVar[bool] = False

    def matrices(self) -> list[nn.Parameter]:
        """All that is trained and no vector: the tables learn no faster than the rest, for they are learnt."""
        return [p for p in self.parameters() if p.requires_grad and p.ndim >= 2]


def longest_context(config: Any) -> int | None:
    """The most positions that the model has vectors for, or was trained on; None where it names none."""
    names = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
    return next((int(value) for name in names if isinstance(value := getattr(config, name, None), int)), None)


def freeze(net: Causal, part: Part, layers: int, rank: int) -> Any:
    """Leave only `part` of the weights to be trained. Returns what `merge` needs afterwards."""
    if part == "lora":
        from peft import LoraConfig, TaskType, get_peft_model

        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type=TaskType.CAUSAL_LM, lora_dropout=0.0
        )
        with quiet():
            return get_peft_model(net.model, config)
    if part == "last":
        blocks = blocks_of(net.model)
        if layers > len(blocks):
            raise UsageError(f"pretrained: layers={layers} is more than the {len(blocks)} that the model has")
        tables = {id(m.weight) for m in net.modules() if isinstance(m, nn.Embedding)}
        frozen = tables | {id(p) for block in blocks[: len(blocks) - layers] for p in block.parameters()}
        for parameter in net.parameters():
            parameter.requires_grad_(id(parameter) not in frozen)
    return None


def merge(net: Causal, adapted: Any) -> None:
    """Add what LoRA has learnt to the weights themselves, and make all of them ordinary ones."""
    if adapted is not None:
        with quiet():
            net.model = adapted.merge_and_unload()
    for parameter in net.parameters():
        parameter.requires_grad_(True)


def blocks_of(model: Any) -> nn.ModuleList:
    """The list of the model's layers. Raises LmbenchError where it has none that can be told."""
    wanted = int(model.config.get_text_config().num_hidden_layers)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return module
    raise LmbenchError("pretrained: which are the last layers of this architecture is not known; give train=lora")
