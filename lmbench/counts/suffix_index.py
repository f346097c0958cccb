"""A suffix array over a training text: how often any n-gram occurs and what follows it, whatever its length.

    text           $ a b a b b $     (a=0 b=1; $=2 ends the document, and is the context it begins with)
    positions      1 3 2 4 5 6 0     a b a b b $ | a b b $ | b a b b $ | b b $ | b $ | $ | $ a b a b b $
    shared         0 2 0 1 1 0 1     with the suffix before it

Every n-gram is a run of slots ("b" is 2 to 5), found by bisection and counted by subtraction. What
follows an n-gram of k tokens changes exactly where two neighbours share k tokens: the slots sorted by
(shared, slot) are `branches`, so that the continuations of an n-gram are one slice of it ("b": the
slots 3 and 4, which share 1 token). Infini-gram (Liu et al. 2024, section 3) has the text and the
positions; the branches make the next-token distribution of a frequent n-gram as cheap as that of a rare
one. A slot that shares more than both of its neighbours ends a run of two, which is looked at without:
text aside, 7 to 8 bytes a token are kept, mapped from disk.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.counts.bisection import Ints, bisect, end_of_run
from lmbench.counts.suffix_branches import by_depth, left_neighbours
from lmbench.disk import Arrays, Scratch, in_memory, save_array
from lmbench.errors import LmbenchError
from lmbench.memory import free_memory
from lmbench.progress import Progress
from lmbench.tokens import Ids, Tokens, smallest_dtype

if TYPE_CHECKING:
    from lmbench.counts.suffix_array import Slots

_FORMAT = 1
_INDEX = "index.json"
_SAMPLED = 1024
_BYTES = 60  # for each token, about, to sort the suffixes in memory
_CHECKED = 1 << 22  # branches looked at together
_FEW = 4  # up to so many n-grams are looked up one by one
_IN_STEP = 64  # tokens of n-grams that are looked up side by side; what is longer than that is rare


@dataclass(eq=False)
class SuffixIndex:
    """`text`: [n] unsigned, the end of text, then the training ids. `positions`: [n] int32, int64 from 2^31 on: sorted.

    `branches`: [b], of the same type: slots by how many tokens each shares with the one before it, but for those
    that end a run of two. `depths`: [k] int64, the numbers of tokens, ascending; `starts`: [k + 1], where the
    branches of each begin. `left`: [n] uint8, see `left_neighbours`; None where no smoothing asks for it.
    `tokens_hash` is that of the Tokens the index was built from. `note`: what the table should say of how it was built;
    `scratch`: the folder its arrays are mapped from, where that was on disk.

    A run of slots is given by its first and the one after its last, `low` and `high`, [q] int64 each.
    """

    text: Ids
    positions: Slots
    branches: Slots
    depths: Ints
    starts: Ints
    end_of_text: int
    vocabulary_size: int
    tokens_hash: str
    left: NDArray[np.uint8] | None = None
    note: str | None = None
    scratch: Scratch | None = None

    def __len__(self) -> int:
        return len(self.text)

    @classmethod
    def build(cls, tokens: Tokens, progress: Progress, left: bool = False, memory: int | None = None) -> SuffixIndex:
        """Sort the suffixes of `tokens`; with `left` also what continuation counts need.

        In memory where `memory` bytes suffice (None: half of what is free), else in files where TMPDIR says, with the
        same bits; there too where an allocation fails. The index's `note` says so.
        O(n log n) a round, and a round for each doubling of the longest repeat: text of one symbol is no exception.
        """
        needed = (len(tokens) + 1) * _BYTES
        allowed = free_memory() // 2 if memory is None else memory
        sizes = f"in memory it takes about {needed / 1e6:,.2f} MB"
        why = f"{sizes}, and {allowed / 1e6:,.2f} MB were {'to be had' if memory is None else 'allowed'}"
        if needed <= allowed:
            try:
                return cls._built(tokens, progress, left, in_memory)
            except MemoryError:
                why = f"{sizes}, which were not to be had"
        scratch = Scratch("indexing on disk")
        with scratch.writing():
            index = cls._built(tokens, progress, left, scratch.array)
        index.scratch, index.note = scratch, f"indexed on disk: {why}; the index is the same"
        return index

    @classmethod
    def _built(cls, tokens: Tokens, progress: Progress, left: bool, arrays: Arrays) -> SuffixIndex:
        from lmbench.counts.suffix_array import sort_suffixes  # torch, which an index that is read does without

        end = tokens.vocabulary.end_of_text
        text: Ids = arrays("text", tokens.vocabulary.dtype, len(tokens) + 1)
        text[0], text[1:] = end, tokens.ids
        with progress.task(f"sorting {len(tokens):,} suffixes") as task:
            # The order goes on across the ends of documents, where no n-gram that anyone asks for does.
            order, shared = sort_suffixes(
                text, on_round=lambda depth, rest: task.show(f"depth {depth}, {rest:,} equal"), arrays=arrays
            )
        branches, depths, starts = by_depth(shared, arrays)
        neighbours = left_neighbours(text, order, shared, end, arrays) if left else None
        return cls(text, order, branches, depths, starts, end, len(tokens.vocabulary), tokens.hash, neighbours)

    @cached_property
    def first(self) -> Ints:
        """[V + 1] the slot at which the suffixes that begin with each token start."""
        counts = np.zeros(self.vocabulary_size + 1, dtype=np.int64)
        width = 1 << 24
        for start in range(0, len(self), width):
            counts[1:] += np.bincount(self.text[start : start + width], minlength=self.vocabulary_size)
        return np.cumsum(counts)

    @cached_property
    def ranks(self) -> Slots:
        """[n] the slot of each position: the inverse of `positions`."""
        ranks = np.empty_like(self.positions)
        ranks[self.positions] = np.arange(len(self), dtype=ranks.dtype)
        return ranks

    def left_types(self, bounds: Ints, depth: int) -> Ints:
        """[t] N1+(. h w), the distinct left neighbours of n-grams of `depth` + 1 tokens: runs side by side, [t + 1]."""
        assert self.left is not None
        return np.add.reduceat(self.left[bounds[0] : bounds[-1]] <= depth, bounds[:-1] - bounds[0], dtype=np.int64)

    @cached_property
    def unigram_left_types(self) -> Ints:
        """[V] N1+(. w): `left_types` of all tokens that occur, 0 for the others."""
        tokens = np.flatnonzero(np.diff(self.first))
        counts = np.zeros(self.vocabulary_size, dtype=np.int64)
        counts[tokens] = self.left_types(np.append(self.first[tokens], len(self)), 0)
        return counts

    # runs of slots

    def begin(self, tokens: NDArray[np.integer[Any]]) -> tuple[Ints, Ints]:
        """The runs of the 1-grams `tokens`."""
        return self.first[tokens], self.first[tokens.astype(np.int64) + 1]

    def followed(self, low: Ints, high: Ints, depth: int | Ints) -> Ints:
        """`low`, past the one occurrence of `depth` tokens that nothing follows: the text's end, which sorts first."""
        first = self.positions.take(np.minimum(low, len(self) - 1))
        moved: Ints = low + ((low < high) & (first == len(self) - depth))
        return moved

    def refine(self, low: Ints, high: Ints, depth: int | Ints, tokens: NDArray[np.integer[Any]]) -> tuple[Ints, Ints]:
        """Of the occurrences of n-grams of `depth` tokens those that go on with `tokens` ([q]); low = high for none."""
        wanted = tokens.astype(np.int64)

        def token_at(slots: Ints, lanes: Ints) -> NDArray[np.integer[Any]]:
            return self.text.take(self.positions.take(slots) + _of(depth, lanes), mode="clip")

        low = bisect(token_at, self.followed(low, high, depth), high, wanted)
        return low, end_of_run(token_at, low, high, wanted)

    def join(self, low: Ints, high: Ints, depth: int | Ints, then: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
        """Of the occurrences of n-grams of `depth` tokens those that go on with the n-grams whose runs are `then`.

        Sorted by what follows, they stand in the order of its ranks: two bisections, however long it is.
        """

        def rank_at(slots: Ints, lanes: Ints) -> NDArray[np.integer[Any]]:
            return self.ranks.take(self.positions.take(slots) + _of(depth, lanes), mode="clip")

        low = bisect(rank_at, self.followed(low, high, depth), high, then[0])
        return low, bisect(rank_at, low, high, then[1])

    def find(self, text: NDArray[np.integer[Any]], starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
        """The runs of the n-grams `text[starts[j] : starts[j] + lengths[j]]`, [q] each; of length 0 all slots.

        The count is `high - low`. Many at once are looked up side by side, in a tenth to a hundredth of the
        time each. Worked example above: "a b" has the run 0 to 2.
        """
        low, high = np.zeros(len(starts), dtype=np.int64), np.full(len(starts), len(self))
        going = np.flatnonzero(lengths > 0)
        depth = 0
        if len(going) > _FEW:
            going, depth = self._in_step(np.asarray(text).astype(np.int64), starts, lengths, going, low, high)
        for lane in going.tolist():
            ngram = text[starts[lane] : starts[lane] + lengths[lane]].tolist()
            low[lane], high[lane] = self._one(ngram, int(low[lane]), int(high[lane]), depth)
        return low, high

    def _in_step(self, ids: Ints, starts: Ints, lengths: Ints, going: Ints, low: Ints, high: Ints) -> tuple[Ints, int]:
        """Narrow `low` and `high` of the n-grams `going` token by token; returns those left, and after how many tokens.

        Neighbours in the array are neighbours in memory: they are taken in the order of their first tokens.
        """
        known = (ids >= 0) & (ids < self.vocabulary_size)
        going = going[np.argsort(ids[starts[going]], kind="stable")]
        depth = 0
        while len(going) and depth < _IN_STEP:
            at = starts[going] + depth
            fits = known[at]
            high[going[~fits]] = low[going[~fits]]
            going, at = going[fits], at[fits]
            runs = self.begin(ids[at]) if depth == 0 else self.refine(low[going], high[going], depth, ids[at])
            low[going], high[going] = runs
            depth += 1
            going = going[(runs[0] < runs[1]) & (lengths[going] > depth)]
        return going, depth

    def _one(self, ngram: list[int], low: int, high: int, depth: int) -> tuple[int, int]:
        """The run of one n-gram, which lies in the run `low` to `high` of its first `depth` tokens: compared whole."""
        if depth == 0:
            if not 0 <= ngram[0] < self.vocabulary_size:
                return 0, 0
            low, high, depth = int(self.first[ngram[0]]), int(self.first[ngram[0] + 1]), 1
        rest = ngram[depth:]

        def suffix(slot: int) -> list[int]:
            start = int(self.positions[slot]) + depth
            tokens: list[int] = self.text[start : start + len(rest)].tolist()
            return tokens

        slots = range(low, high)
        begin = bisect_left(slots, rest, key=suffix)
        return low + begin, low + bisect_right(slots, rest, lo=begin, key=suffix)

    # what follows

    def _branching_at(self, depth: int) -> Slots:
        """[b] ascending, the branches that share exactly `depth` tokens with the slot before them."""
        at = int(np.searchsorted(self.depths, depth))
        if at == len(self.depths) or self.depths[at] != depth:
            return self.branches[:0]
        return self.branches[self.starts[at] : self.starts[at + 1]]

    def types(self, low: Ints, high: Ints, depth: int | Ints) -> Ints:
        """[q] how many distinct tokens follow each n-gram of `depth` tokens; `low` as `followed` gives it."""
        if isinstance(depth, int):
            slots = self._branching_at(depth)
            after = np.searchsorted(slots, low.astype(slots.dtype), "right")
            inside = np.searchsorted(slots, high.astype(slots.dtype), "left") - after
        elif len(self.depths):
            at = np.minimum(np.searchsorted(self.depths, depth), len(self.depths) - 1)
            begin, end = self.starts[at], self.starts[at + 1]
            begin = np.where(self.depths[at] == depth, begin, end)
            after = bisect(lambda places, _: self.branches.take(places), begin, end, low + 1)
            inside = bisect(lambda places, _: self.branches.take(places), after, end, high) - after
        else:
            inside = np.zeros(len(low), dtype=np.int64)
        pairs = np.flatnonzero(high - low == 2)
        places = self.positions[low[pairs]] + _of(depth, pairs), self.positions[low[pairs] + 1] + _of(depth, pairs)
        one, other = (self.text.take(place, mode="clip") for place in places)
        inside[pairs] = one != other
        return np.where(low < high, inside + 1, 0)

    def continuations(self, low: int, high: int, depth: int) -> tuple[Ints, Ints]:
        """([t] the tokens that follow an n-gram of `depth` tokens, ascending, [t + 1] where the run of each begins).

        Worked example above, "b" (2 to 5): [0, 1, 2] and [2, 3, 4, 5].
        """
        low = int(self.followed(np.array([low]), np.array([high]), depth)[0])
        if low >= high:
            return np.zeros(0, dtype=np.int64), np.full(1, high)
        if high - low > 2:
            slots = self._branching_at(depth)
            between = np.searchsorted(slots, np.array([low, high]).astype(slots.dtype), "left")
            inside = slots[between[0] : between[1]]
            heads = np.concatenate([[low], inside[inside > low]]).astype(np.int64)
        else:
            heads = np.arange(low, high)
        tokens = self.text.take(self.positions[heads].astype(np.int64) + depth, mode="clip").astype(np.int64)
        if len(tokens) == 2 and tokens[0] == tokens[1]:
            tokens, heads = tokens[:1], heads[:1]
        return tokens, np.append(heads, high)

    @cached_property
    def document_starts(self) -> Ints:
        """[d] the position in `text` of the end of text before each document."""
        low, high = self.first[self.end_of_text], self.first[self.end_of_text + 1]
        ends: Ints = np.sort(self.positions[low:high]).astype(np.int64)
        return ends[ends < len(self) - 1]

    # on disk

    def save(self, folder: Path) -> None:
        """Write `index.json` and the arrays, a `.npy` each, into an existing folder."""
        arrays = {"text": self.text, "positions": self.positions, "branches": self.branches, "left": self.left}
        arrays["depths"] = np.stack([self.depths, self.starts[:-1]])
        for name, array in arrays.items():
            if array is not None:
                save_array(folder / f"{name}.npy", array)
        content = {
            "format": _FORMAT,
            "end_of_text": self.end_of_text,
            "vocabulary": self.vocabulary_size,
            "tokens_hash": self.tokens_hash,
            "text_hash": _hash(self.text),
            "left": self.left is not None,
        }
        (folder / _INDEX).write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SuffixIndex:
        """Map what `save` wrote. Raises LmbenchError where the text is not what was indexed, or a file is not whole."""
        with files.whole(folder, "suffix index", "fit the model again"):
            content = files.read_json(folder / _INDEX)
            vocabulary_size = files.whole_number(content, "vocabulary", 1, files.MOST_TOKENS)
            end_of_text = files.whole_number(content, "end_of_text", 0, vocabulary_size - 1)
            text = files.open_array(folder / "text.npy", (smallest_dtype(vocabulary_size),), (None,))
            slots = (np.int32, np.int64)
            positions = files.open_array(folder / "positions.npy", slots, (len(text),))
            branches = files.open_array(folder / "branches.npy", slots, (None,))
            depths, starts = files.read_array(folder / "depths.npy", (np.int64,), (2, None))
            left = None
            if files.field(content, "left", bool):
                left = files.open_array(folder / "left.npy", (np.uint8,), (len(text),))
            tokens_hash = files.field(content, "tokens_hash", str)
            starts = np.append(starts, len(branches))
            index = cls(text, positions, branches, depths, starts, end_of_text, vocabulary_size, tokens_hash, left)
            index._check_numbers()
        if _hash(index.text) != content.get("text_hash"):
            raise LmbenchError(f"{folder / 'text.npy'} is not the text that was indexed; fit the model again")
        index._check(folder)
        return index

    def _check_numbers(self) -> None:
        """Raise ValueError where a number is no token, no place in the text or no slot.

        What is in range but in a wrong order gives a wrong answer: `take` with `clip` reads no further than the text.
        """
        size = len(self)
        if not size or self.positions.dtype != self.branches.dtype:
            raise ValueError("an empty text, or slots of two types")
        files.index(self.text, self.vocabulary_size, "the text")
        files.index(self.positions, size, "a position")
        files.index(self.branches, size, "a branch", low=1)
        files.ascending(self.depths, 0, size, "the depth of branches", strictly=True)
        files.ascending(self.starts, 0, len(self.branches), "the beginning of branches", strictly=True)
        if int(self.starts[0]) != 0:
            raise ValueError("branches of no depth")
        for at in range(0, len(self.branches), _CHECKED):
            falls = np.flatnonzero(np.diff(self.branches[at : at + _CHECKED + 1]) <= 0) + at + 1
            if not np.isin(falls, self.starts).all():
                raise ValueError("branches of one depth that do not ascend")

    def _check(self, folder: Path) -> None:
        """Raise LmbenchError where the sorted positions, at a sample of slots, are not those of the text."""
        slots = np.unique(np.linspace(0, len(self) - 1, _SAMPLED).astype(np.int64))
        positions = self.positions[slots]
        if not bool((np.diff(self.text[positions].astype(np.int64)) >= 0).all()):
            raise LmbenchError(f"{folder / 'positions.npy'} does not fit {folder / 'text.npy'}; fit the model again")


def _of(depth: int | Ints, lanes: Ints) -> int | Ints:
    return depth if isinstance(depth, int) else depth[lanes]


def _hash(text: Ids) -> str:
    digest = hashlib.sha256()
    width = 1 << 24
    for start in range(0, len(text), width):
        digest.update(np.ascontiguousarray(text[start : start + width]).data)
    return digest.hexdigest()
