"""The distributions that `counting` weighs: Kneser-Ney models of every order, and of other kinds of contexts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.counts.arrays import narrow
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.trie import Trie
from lmbench.model._context_maps import REACH, ContextMap, Kind, Lexicon, keys_of
from lmbench.model._every_order import KNOWN, Columns, EveryOrder, Shares
from lmbench.model.suffix import Suffix
from lmbench.tokens import Tokens, Vocabulary

Ids = NDArray[np.integer[Any]]
_CELLS = 1 << 21  # numbers of the distributions that are made at once


@dataclass(frozen=True, eq=False)
class Make:
    """What is counted: n-grams up to `order`, and contexts of `kinds`, each of which rests on the distribution of order
    `base`. `dtype`: of the shares."""

    order: int
    kinds: dict[str, Kind]
    base: int
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Places:
    """q places of a text, seen by the counts of one. `contexts`: [K - 1 + maps, q] int64, -1 where one was not seen.

    `suffix_known`: [q, g] what the suffix model knows of each. `suffix_rows`: [q, U] its probability of a type of each
    column, or `suffix_targets`: [q] that of the token that came.
    """

    contexts: Tensor
    suffix_known: Tensor | None = None
    suffix_rows: Tensor | None = None
    suffix_targets: Tensor | None = None

    def __len__(self) -> int:
        return self.contexts.shape[1]

    def part(self, index: slice | Tensor) -> Places:
        others = (self.suffix_known, self.suffix_rows, self.suffix_targets)
        return Places(self.contexts[:, index], *(None if each is None else each[index] for each in others))


@dataclass(eq=False)
class Experts:
    """`orders`: p_1 to p_K; `maps`: of each of `kinds`, which rests on the distribution of order `base`; `suffix`: all
    suffixes, where it is used."""

    orders: EveryOrder
    maps: list[ContextMap]
    kinds: dict[str, Kind]
    lexicon: Lexicon
    base: int
    suffix: Suffix | None = None

    @classmethod
    def of(cls, tokens: Tokens, make: Make, suffix: Suffix | None, columns: Columns | None = None) -> Experts:
        """Counted on `tokens`, `suffix` too; `columns`: of a longer text, None: of this one."""
        orders = EveryOrder.of(NgramCounts(tokens, make.order), make.dtype, columns)
        lexicon = Lexicon.of(tokens.vocabulary)
        place = lexicon.place(tokens.ids)
        columns = orders.columns
        targets = columns.of_type.numpy()[tokens.ids.astype(np.int64)]
        maps = [
            ContextMap.of(keys_of(kind, place)[:-1], targets, columns.width, make.dtype) for kind in make.kinds.values()
        ]
        return cls(orders, maps, make.kinds, lexicon, min(make.base, make.order), suffix)

    @property
    def names(self) -> list[str]:
        orders = [f"order {order}" for order in range(1, self.orders.order + 1)]
        return orders + list(self.kinds) + (["suffix"] if self.suffix is not None else [])

    @property
    def columns(self) -> Columns:
        return self.orders.columns

    def __len__(self) -> int:
        return self.orders.order + len(self.maps) + (self.suffix is not None)

    def places(self, ids: Ids, start: int = 0) -> Places:
        """n + 1 - start places: before each of `ids` from `start` on, and after the last; `ids` begin with a
        document."""
        before = max(0, start - REACH)
        part = ids[before:]
        place = self.lexicon.place(part)
        found = [self.orders.contexts(part).long()]
        for kind, each in zip(self.kinds.values(), self.maps, strict=True):
            found.append(each.find(keys_of(kind, place))[None])
        known = None
        if self.suffix is not None:
            known = torch.from_numpy(self.suffix.context_features(part)[start - before :]).float()
        return Places(torch.cat(found)[:, start - before :], known)

    def rows_of(self, log_probs: NDArray[np.float64]) -> Tensor:
        """[q, U] probabilities of a type of each column, from nats [q, V] of each type."""
        return torch.from_numpy(log_probs[:, self.columns.types.numpy()]).exp()

    def distributions(self, places: Places, dtype: torch.dtype = torch.float64) -> Tensor:
        """[q, m, U] after each of `places`, which have the suffix model's rows where it is used."""
        split, contexts = self.orders.order - 1, places.contexts
        found = self.orders.distributions(contexts[:split], dtype)
        base = found[:, self.base - 1]
        others = [each.shares.over(base, nodes) for each, nodes in zip(self.maps, contexts[split:], strict=True)]
        if places.suffix_rows is not None:
            others.append(places.suffix_rows.to(dtype))
        return torch.cat([found, torch.stack(others, 1)], 1) if others else found

    def of_targets(self, places: Places, targets: Tensor) -> Tensor:
        """[q, m] float64: the probability of each of `targets` [q] (ids)."""
        split, contexts = self.orders.order - 1, places.contexts
        found = self.orders.of_targets(contexts[:split], targets)
        columns, others = self.columns.of_type.index_select(0, targets.long()), []
        for each, nodes in zip(self.maps, contexts[split:], strict=True):
            children = each.child(nodes, columns, self.columns.width)
            others.append(each.shares.of_targets(found[:, self.base - 1], nodes, children))
        if places.suffix_targets is not None:
            others.append(places.suffix_targets)
        return torch.cat([found, torch.stack(others, 1)], 1) if others else found

    def known(self, places: Places) -> Tensor:
        """[q, f] float32: what is known of each context, five numbers, and what the suffix model knows."""
        tables = [*self.orders.top, *(each.shares for each in self.maps)]
        found = [table.what_is_known(nodes) for table, nodes in zip(tables, places.contexts, strict=True)]
        if places.suffix_known is not None:
            found.append(places.suffix_known)
        return torch.cat(found, 1) if found else torch.zeros(len(places), 0)

    @property
    def features(self) -> int:
        """How many numbers `known` gives."""
        of_suffix = 0 if self.suffix is None else self.suffix.depth + 3
        return (self.orders.order - 1 + len(self.maps)) * KNOWN + of_suffix

    def tensors(self) -> dict[str, Tensor]:
        """All of it by names, for a file."""
        orders, lexicon = self.orders, self.lexicon
        found = {"columns": orders.columns.of_type.int(), "top.1": orders.top1, "low.1": orders.low1}
        found |= {"folded": _of(lexicon.folded), "kind": _of(lexicon.kind), "letter": _of(lexicon.letter)}
        found["end_of_text"] = torch.tensor([lexicon.end_of_text])
        found |= {f"tokens.{order}": ids for order, ids in enumerate(orders.trie.tokens[1:], 2)}
        found |= {
            f"first.{order}": first[:] for order, first in enumerate(orders.trie.first[: self.orders.order - 1], 1)
        }
        for name, levels in (("top", orders.top), ("low", orders.low)):
            for order, level in enumerate(levels, 2):
                found |= {f"{name}.{order}.share": level.share, f"{name}.{order}.rest": level.rest}
                if level.known is not None:
                    found[f"{name}.{order}.known"] = level.known
        for number, each in enumerate(self.maps):
            found[f"map.{number}.keys"] = torch.from_numpy(each.keys.view(np.int64).copy())
            for field in ("first", "columns", "share", "rest", "known"):
                found[f"map.{number}.{field}"] = getattr(each.shares, field)
        return found

    @classmethod
    def read(cls, tensors: dict[str, Tensor], make: Make, suffix: Suffix | None) -> Experts:
        """What `tensors` gave. Raises ValueError or LookupError where it is not whole."""
        order, base, kinds = make.order, min(make.base, make.order), make.kinds
        size = len(tensors["columns"])
        end = int(tensors["end_of_text"][0])
        files.index(tensors["columns"], size, "a column")
        columns = Columns(tensors["columns"].long(), torch.bincount(tensors["columns"]))
        if not 0 <= end < size or bool((columns.multiplicity == 0).any()):
            raise ValueError("not of this vocabulary")
        ids = narrow(torch.arange(size), size)
        first = [tensors[f"first.{level}"] for level in range(1, order)]
        trie = Trie([ids, *(tensors[f"tokens.{level}"] for level in range(2, order + 1))], first)
        trie.check()
        levels: dict[str, list[Shares]] = {"top": [], "low": []}
        for name, highest in (("top", order), ("low", order - 1)):
            for level in range(2, highest + 1):
                known = tensors.get(f"{name}.{level}.known")
                children = columns.of_type.index_select(0, trie.ids(level, slice(None)).long()).int()
                shares = (tensors[f"{name}.{level}.share"], tensors[f"{name}.{level}.rest"], known)
                made = Shares(first[level - 2], children, *shares)
                _check(made, name == "top")
                levels[name].append(made)
        ones = [tensors["top.1"], tensors["low.1"]]
        for each in ones:
            _check_shares(each, columns.width)
        lexicon = Lexicon(end, *(tensors[name].numpy() for name in ("folded", "kind", "letter")))
        if not len(lexicon.folded) == len(lexicon.kind) == len(lexicon.letter) == size:
            raise ValueError("types of another vocabulary")
        maps = []
        for number in range(len(kinds)):
            keys = tensors[f"map.{number}.keys"].numpy().view(np.uint64)
            names = ("first", "columns", "share", "rest", "known")
            made = Shares(*(tensors[f"map.{number}.{field}"] for field in names))
            files.ascending(made.first, 0, len(made.share), "contexts of a map")
            files.index(made.columns, columns.width, "a column")
            if len(keys) != len(made.rest) or bool((keys[1:] <= keys[:-1]).any()):
                raise ValueError("the keys of a map do not ascend")
            _check(made, True)
            maps.append(ContextMap(keys, made))
        orders = EveryOrder(trie, end, columns, ones[0], ones[1], levels["top"], levels["low"])
        return cls(orders, maps, kinds, lexicon, base, suffix)

    def batches(self, size: int) -> Iterator[slice]:
        """Places whose distributions are made together."""
        width = max(16, _CELLS // (len(self) * self.columns.width))
        for start in range(0, size, width):
            yield slice(start, min(start + width, size))


def _of(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _check(shares: Shares, with_known: bool) -> None:
    """Raises ValueError where the arrays do not belong together, or hold what is no share."""
    contexts = len(shares.first) - 1
    if (
        len(shares.rest) != contexts
        or len(shares.share) != len(shares.columns)
        or int(shares.first[-1]) != len(shares.share)
    ):
        raise ValueError("shares of other contexts")
    if with_known and (shares.known is None or shares.known.shape != (contexts, KNOWN)):
        raise ValueError("what is known is of other contexts")
    _check_shares(shares.share, len(shares.share))
    _check_shares(shares.rest, contexts)
    if shares.known is not None:
        files.within(shares.known.reshape(-1), -1e3, 1e3, "what is known of a context")


def _check_shares(values: Tensor, size: int) -> None:
    if values.shape != (size,) or values.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"shares of {values.dtype}, {tuple(values.shape)}")
    files.within(values, 0.0, 1.0 + 1e-6, "a share")


def without(tokens: Tokens, start: int, stop: int) -> Tokens:
    """The text without its tokens from `start` to before `stop`; what is cut open ends there, and what comes after the
    gap begins a document."""
    vocabulary: Vocabulary = tokens.vocabulary
    head, tail = tokens.ids[:start], tokens.ids[stop:]
    if len(head) and head[-1] != vocabulary.end_of_text:
        head = np.append(head, np.array(vocabulary.end_of_text, dtype=head.dtype))
    ids = np.concatenate([head, tail])
    ends = np.flatnonzero(ids == vocabulary.end_of_text) + 1
    documents = np.concatenate([[0], ends[ends < len(ids)]]) if len(ids) else np.zeros(0)
    return Tokens(ids, documents.astype(np.int64), vocabulary)
