"""A decoder-only transformer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmbench.errors import UsageError
from lmbench.net._pointwise import relu_squared, rms_norm, rotate, rotations
from lmbench.net.base import Net, Setting, State, in_range, is_share, places, same_document

__all__ = ["Transformer"]


@dataclass(frozen=True)
class Style:
    """What tells today's block from GPT-2's."""

    layer_norm: bool = False  # LayerNorm with gain and bias, else RMSNorm without either
    gelu: bool = False  # GELU (tanh approximation), else ReLU squared
    bias: bool = False
    qk_norm: bool = True
    zero_outputs: bool = True  # what writes to the residual stream starts at zero, so that a block starts as identity


MODERN = Style()
GPT2 = Style(layer_norm=True, gelu=True, bias=True, qk_norm=False, zero_outputs=False)


class Transformer(Net):
    """Decoder-only transformer: rotary positions, RMSNorm, QK-norm, squared ReLU.

    Pre-norm residual blocks (Vaswani et al. 2017; Radford et al. 2019) with RMSNorm (Zhang & Sennrich 2019),
    rotary positions (Su et al. 2021), normalised queries and keys (Henry et al. 2020), ReLU squared (So et al.
    2021), output projections that start at zero, and no biases.

    Args:
        layers: blocks; left out, more on a GPU.
        heads: attention heads in a block; the width is a multiple of it. none: one per 64 of the width.
        width: length of the vector at each place; left out, more on a GPU.
        context: the most tokens a prediction looks back on; left out, more on a GPU.
        convolution: places, the last one included, that a causal convolution mixes into each embedding before the
            first block; 1: none.
        dropout: share of the activations set to zero in training; left out, 0 to 0.3 by how often the text is read.
        position: how a place is told apart: rotated queries and keys, a learned vector each, or not at all.
        tied: one table for the embedding and for the output layer; none: where it saves more than half of the weights.
        softcap: bound the logits smoothly to -softcap .. softcap; none: unbounded.
        preset: gpt2 is GPT-2 small to the letter (Radford et al. 2019): 12 layers, 12 heads, width 768, context 1024,
            learned positions, LayerNorm, GELU, biases, tied; options given beside it change its size.
    """

    rotation: Tensor

    def __init__(
        self,
        vocabulary: int,
        layers: int = 4,
        heads: int | None = None,
        width: int = 128,
        context: int = 128,
        convolution: int = 4,
        dropout: float = 0.0,
        position: Literal["rope", "learned", "none"] = "rope",
        tied: bool | None = None,
        softcap: float | None = None,
        preset: Literal["gpt2"] | None = None,
    ) -> None:
        super().__init__()
        in_range(1, None, layers=layers, heads=heads, width=width, context=context, convolution=convolution)
        is_share(dropout=dropout)
        in_range(1, None, softcap=softcap)
        heads = heads or max(1, width // 64)
        if width % heads:
            raise UsageError(f"transformer: width {width} is not a multiple of heads {heads}")
        if position == "rope" and (width // heads) % 2:
            raise UsageError(f"transformer: position=rope needs an even width per head, not {width} / {heads}")
        style = GPT2 if preset == "gpt2" else MODERN
        self.vocabulary, self.position, self.softcap = vocabulary, position, softcap
        self.row = self.context = context
        self.layers, self.width, self.heads, self.dropout = layers, width, heads, dropout
        self.embedding = nn.Embedding(vocabulary, width)
        self.convolution = Convolution(width, convolution) if convolution > 1 else None
        if position == "learned":
            self.positions = nn.Embedding(context, width)
        if position == "rope":
            self.register_buffer("rotation", rotations(context, width // heads), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, style) for _ in range(layers))
        self.norm = norm(width, style)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied if tied is not None else vocabulary * width > 12 * layers * width**2:
            self.head.weight = self.embedding.weight
        self.apply(lambda module: initialise(module, style, layers))

    @classmethod
    def sizes(cls, setting: Setting, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("preset") == "gpt2":
            return {
                "layers": 12,
                "heads": 12,
                "width": 768,
                "context": 1024,
                "convolution": 1,
                "position": "learned",
                "tied": True,
            }
        if setting.device == "cpu":
            return {"dropout": setting.dropout}
        sizes = ((30_000_000, (12, 768, 1024)), (3_000_000, (8, 512, 512)), (0, (6, 384, 256)))
        layers, width, context = next(size for least, size in sizes if setting.train_tokens >= least)
        return {"layers": layers, "width": width, "context": context, "dropout": setting.dropout}

    def hidden(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        place = torch.arange(ids.shape[1], device=ids.device) if documents is None else places(documents)
        x = self.embedding(ids)  # (B, T, C)
        if self.convolution is not None:
            x = self.convolution(x, None if documents is None else place)
        if self.position == "learned":
            x = x + self.positions(place)
        x = F.dropout(x, self.dropout, self.training)
        rotation = self.rotation[:, : ids.shape[1]] if self.position == "rope" else None
        mask = None if documents is None else same_document(documents)
        for block in self.blocks:
            x = block(x, rotation, mask)
        out: Tensor = self.norm(x)
        return out

    def start(self, rows: int) -> State:
        """Keys and values of each layer, (layers, B, nh, row, hs), filled in place; the embeddings that the convolution
        still looks back on, (1, B, length - 1, C); how many ids each row has read, (1, B), on the CPU."""
        heads = self.heads
        weight = self.embedding.weight
        keys, values = weight.new_zeros(2, self.layers, rows, heads, self.row, self.width // heads)
        back = 0 if self.convolution is None else len(self.convolution.weight)
        return keys, values, weight.new_zeros(1, rows, back, self.width), torch.zeros(1, rows, dtype=torch.int64)

    def run(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        keys, values, before, lengths = state
        past = Past.of(lengths[0], ids.shape[1], ids.device)
        x = self.embedding(ids)  # (B, T, C)
        if self.convolution is not None:
            joined = torch.cat([before[0], x], dim=1)
            x = self.convolution(joined, None)[:, before.shape[2] :]
            before = joined[None, :, joined.shape[1] - before.shape[2] :]
        if self.position == "learned":
            x = x + self.positions(past.place)
        rotation = self.rotation[:, past.place] if self.position == "rope" else None
        for block, of_keys, of_values in zip(self.blocks, keys, values, strict=True):
            x = block(x, rotation, past.mask, (past, of_keys, of_values))
        out: Tensor = self.norm(x)
        return out, (keys, values, before, lengths + ids.shape[1])

    def regions(self) -> list[nn.Module]:
        return list(self.blocks)

    def attention_flops(self, length: int) -> int:
        return 4 * self.layers * self.width * length


@dataclass(frozen=True)
class Past:
    """Where rows that have read on stand. `place`: (T,) of all rows, or (B, T), of the ids read now, in their rows;
    `stop`: places after the furthest of them. `mask`: (T, stop) or (B, 1, T, stop), which of the places from the first
    on each looks at; None where that is all of them. `equal`: whether all rows have read equally much."""

    place: Tensor
    stop: int
    mask: Tensor | None
    equal: bool

    @classmethod
    def of(cls, lengths: Tensor, count: int, device: torch.device) -> Past:
        """Of `count` ids after `lengths`, (B,) on the CPU."""
        first, stop = int(lengths[0]), int(lengths.max()) + count
        equal = bool((lengths == first).all())
        place = torch.arange(first, stop) if equal else lengths[:, None] + torch.arange(count)
        mask = None if equal and count == 1 else torch.arange(stop) <= place[..., None]
        mask = mask if mask is None else mask.to(device)
        return cls(place.to(device), stop, mask if equal or mask is None else mask[:, None], equal)

    def put(self, held: Tensor, new: Tensor) -> Tensor:
        """`new`, (B, nh, T, hs), put into `held`, (B, nh, row, hs), in place; returns what is looked at."""
        if self.equal:
            held[:, :, self.stop - new.shape[2] : self.stop] = new
        else:
            rows = torch.arange(len(new), device=new.device)[:, None]
            held[rows, :, self.place] = new.transpose(1, 2)
        return held[:, :, : self.stop]


Held = tuple[Past, Tensor, Tensor]  # and the keys and values of one layer, (B, nh, row, hs)


class Convolution(nn.Module):
    """Each channel adds a weighted sum of its values at the last `length - 1` places: y[t] = x[t] + sum w[i] x[t-i].

    Depthwise and causal, as So et al. 2021 (Primer, section 4.2) put after the projections of each block; one over
    the embeddings costs less and gave more here. It starts as identity.
    """

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(length - 1, 1, width))

    def forward(self, x: Tensor, place: Tensor | None) -> Tensor:
        """x: (B, T, C); place: (B, T), how far each is from its document's beginning, None for rows of one document."""
        y = x
        for back in range(1, min(len(self.weight) + 1, x.shape[1])):
            before = F.pad(x[:, :-back], (0, 0, back, 0))
            if place is not None:
                before = before * (place >= back)[..., None]
            y = torch.addcmul(y, self.weight[back - 1], before)
        return y


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, dropout: float, style: Style) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(width, style), norm(width, style)
        self.attention = Attention(width, heads, dropout, style)
        self.mlp = MLP(width, dropout, style)

    def forward(self, x: Tensor, rotation: Tensor | None, mask: Tensor | None, held: Held | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), rotation, mask, held)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Attention(nn.Module):
    """Causal self-attention with several heads.

    Queries, keys and values have a matrix each, which Muon makes orthogonal each by itself, and are computed as one
    product. Validation loss with one matrix for all three and with three, in nats per character of tinyshakespeare at
    300 steps: 1.5865 and 1.5806, 1.6006 and 1.5841, 1.5964 and 1.5884 with seeds 0, 1, 2.
    """

    def __init__(self, width: int, heads: int, dropout: float, style: Style) -> None:
        super().__init__()
        self.heads, self.dropout, self.style = heads, dropout, style
        self.q, self.k, self.v = (nn.Linear(width, width, bias=style.bias) for _ in range(3))
        self.out = nn.Linear(width, width, bias=style.bias)

    def forward(self, x: Tensor, rotation: Tensor | None, mask: Tensor | None, held: Held | None = None) -> Tensor:
        B, T, C = x.shape
        if held is None:
            weight = torch.cat([self.q.weight, self.k.weight, self.v.weight])
            bias = torch.cat([self.q.bias, self.k.bias, self.v.bias]) if self.style.bias else None
            qkv = F.linear(x, weight, bias)
        else:  # of few ids the product costs less than putting the matrices together
            qkv = torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)
        qkv = qkv.view(B, T, 3 * self.heads, C // self.heads)  # (B, T, 3 nh, hs)
        qk, v = qkv[:, :, : 2 * self.heads], qkv[:, :, 2 * self.heads :]
        if self.style.qk_norm:
            qk = rms_norm(qk)
        if rotation is not None:
            qk = rotate(qk, rotation)
        q, k = qk.to(v.dtype).transpose(1, 2).chunk(2, dim=1)  # each (B, nh, T, hs)
        v = v.transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        if held is None:
            y = attend(q, k, v, mask, dropout, causal=mask is None)
        else:
            past, keys, values = held
            y = attend(q, past.put(keys, k), past.put(values, v), mask, dropout, causal=False)
        return F.dropout(self.out(y.transpose(1, 2).reshape(B, T, C)), self.dropout, self.training)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, causal: bool) -> Tensor:
    """softmax(q k' / sqrt(hs)) v, `causal` or by `mask`. On a CPU in float32 always: its kernels are slower in
    bfloat16, though its matrix products are three times as fast."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), mask, dropout, is_causal=causal)


class MLP(nn.Module):
    """width -> 4 width -> width."""

    def __init__(self, width: int, dropout: float, style: Style) -> None:
        super().__init__()
        self.dropout, self.gelu = dropout, style.gelu
        self.up = nn.Linear(width, 4 * width, bias=style.bias)
        self.out = nn.Linear(4 * width, width, bias=style.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x)
        h = F.gelu(h, approximate="tanh") if self.gelu else relu_squared(h)
        return F.dropout(self.out(h), self.dropout, self.training)


class RMSNorm(nn.Module):
    """Root mean square one, without a gain."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x)


def norm(width: int, style: Style) -> nn.Module:
    return nn.LayerNorm(width) if style.layer_norm else RMSNorm()


def initialise(module: nn.Module, style: Style, layers: int) -> None:
    """GPT-2: normal with deviation 0.02, outputs of the 2 x layers sub-blocks scaled down by their root number.
    Modern: unit variance kept through each matrix and in the embeddings (a tied table counts as a matrix), what a
    block adds zero."""
    if isinstance(module, nn.Embedding | nn.Linear):
        deviation = module.weight.shape[1] ** -0.5 if isinstance(module, nn.Linear) else 1.0
        deviation = 0.02 if style == GPT2 else deviation
        nn.init.normal_(module.weight, std=deviation)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, Attention | MLP):
        if style.zero_outputs:
            nn.init.zeros_(module.out.weight)
        else:
            nn.init.normal_(module.out.weight, std=0.02 / math.sqrt(2 * layers))
