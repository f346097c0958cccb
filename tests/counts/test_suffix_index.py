"""The suffix index against counting by hand and by going through the text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.counts import suffix_branches, suffix_index
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.disk import in_memory
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

LETTERS = alphabet(2)
A, B, END = 0, 1, LETTERS.end_of_text
TEXTS = st.lists(st.lists(st.integers(0, 1), max_size=25), min_size=1, max_size=4)


def built(documents: list[list[int]], cut: int = 0) -> SuffixIndex:
    tokens = tokens_of(documents, LETTERS)
    return SuffixIndex.build(tokens.head(max(1, len(tokens) - cut)), Silent(), left=True)


def run_of(index: SuffixIndex, ngram: list[int]) -> tuple[int, int]:
    low, high = index.find(np.array([*ngram, END]), np.zeros(1, np.int64), np.array([len(ngram)]))
    return int(low[0]), int(high[0])


def places(text: list[int], ngram: list[int]) -> list[int]:
    return [at for at in range(len(text) - len(ngram) + 1) if text[at : at + len(ngram)] == ngram]


def test_ababb_by_hand() -> None:
    index = built([[A, B, A, B, B]])
    assert index.text.tolist() == [END, A, B, A, B, B, END]
    assert index.positions.tolist() == [1, 3, 2, 4, 5, 6, 0]
    assert index.branches.tolist() == [2, 5, 3, 4]  # 1 and 6 end runs of two
    assert (index.depths.tolist(), index.starts.tolist()) == ([0, 1], [0, 2, 4])
    assert run_of(index, [A, B]) == (0, 2)
    assert run_of(index, [B]) == (2, 5)
    assert run_of(index, [B, B, B]) == (3, 3)  # none: where they would stand
    tokens, bounds = index.continuations(2, 5, 1)
    assert (tokens.tolist(), bounds.tolist()) == ([A, B, END], [2, 3, 4, 5])
    assert index.left is not None
    assert (index.left[2:5] < 1).sum() == 2  # "b" stands after a and after b


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 3), max_size=5), st.integers(0, 3))
def test_counts_and_continuations_are_those_of_the_text(documents: list[list[int]], ngram: list[int], cut: int) -> None:
    index = built(documents, cut)
    text = index.text.tolist()
    low, high = run_of(index, ngram)
    assert high - low == (len(places(text, ngram)) if ngram else len(text))
    following = Counter(text[at + len(ngram)] for at in places(text, ngram) if at + len(ngram) < len(text))
    tokens, bounds = index.continuations(low, high, len(ngram))
    assert dict(zip(tokens.tolist(), np.diff(bounds).tolist(), strict=True)) == following
    starts = index.followed(np.array([low]), np.array([high]), len(ngram))
    assert index.types(starts, np.array([high]), len(ngram)).tolist() == [len(following)]
    assert index.types(starts, np.array([high]), np.array([len(ngram)])).tolist() == [len(following)]


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_left_neighbours(documents: list[list[int]], ngram: list[int]) -> None:
    index = built(documents)
    assert index.left is not None
    text = index.text.tolist()
    if END in ngram[1:]:
        return  # never asked: no context reaches across documents
    low, high = run_of(index, ngram)
    found = int((index.left[low:high] < len(ngram)).sum())
    before = {text[at - 1] for at in places(text, ngram) if at}
    beginning = ngram[0] == END and len(ngram) > 1
    assert found == (high - low if beginning else len(before))


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.data())
def test_a_run_joined_with_the_next_is_the_run_of_both(documents: list[list[int]], data: st.DataObject) -> None:
    index = built(documents)
    first = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=4))
    then = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=4))
    low, high = (np.array([end]) for end in run_of(index, first))
    joined = index.join(low, high, len(first), tuple(np.array([end]) for end in run_of(index, then)))  # type: ignore[arg-type]
    expected = run_of(index, first + then)
    assert int(joined[1][0] - joined[0][0]) == expected[1] - expected[0]
    if expected[0] < expected[1]:
        assert (int(joined[0][0]), int(joined[1][0])) == expected


@pytest.mark.parametrize(("in_step", "few"), [(1, 4), (3, 4), (64, 4), (64, 1000)])
def test_many_queries_at_once(in_step: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side as far as `in_step`, or, where they are `few`, one by one."""
    monkeypatch.setattr(suffix_index, "_IN_STEP", in_step)
    monkeypatch.setattr(suffix_index, "_FEW", few)
    rng = np.random.default_rng(3)
    trained = rng.integers(0, 2, 200).tolist()
    index = built([trained, trained[50:]])
    text = np.concatenate([rng.integers(0, 4, 300), trained[20:120], [END], trained[60:]])
    starts, lengths = rng.integers(0, len(text) - 30, 300), rng.integers(0, 30, 300)
    low, high = index.find(text, starts, lengths)
    stored = index.text.tolist()
    for at in range(300):
        ngram = text[starts[at] : starts[at] + lengths[at]].tolist()
        assert high[at] - low[at] == (len(places(stored, ngram)) if ngram else len(stored))


@pytest.mark.parametrize("period", [1, 2, 7])
def test_repetition_without_end(period: int) -> None:
    size = 70_000  # common prefixes beyond 16 bits
    index = SuffixIndex.build(tokens_of([(np.arange(size) % period % 2).tolist()], LETTERS), Silent())
    ngram = (np.arange(size // 2) % period % 2).astype(np.int64)
    low, high = index.find(ngram, np.zeros(1, np.int64), np.array([len(ngram)]))
    assert high[0] - low[0] == len(range(0, size - len(ngram) + 1, period))
    ngram[-1] += 1
    low, high = index.find(ngram, np.zeros(1, np.int64), np.array([len(ngram)]))
    assert high[0] == low[0]
    assert np.all(np.diff(index.depths) > 0)
    assert index.depths[-1] > 0xFFFF - 1


def test_branches_of_any_depth() -> None:
    """Common prefixes beyond 16 bits among others, in no order; peaks end runs of two and are left out."""
    shared = np.array([0, 70_000, 70_000, 3, 65_535, 65_535, 0, 2**40, 2**40, 65_534, 65_536, 65_536, 5, 9, 3])
    branches, depths, starts = suffix_branches.by_depth(shared, in_memory)
    kept = [slot for slot in range(1, len(shared)) if slot != 13]
    assert branches.tolist() == sorted(kept, key=lambda slot: (shared[slot], slot))
    assert depths.tolist() == sorted({int(shared[slot]) for slot in kept})
    assert [shared[slot] for slot in branches[starts[:-1]]] == depths.tolist()
    assert starts[-1] == len(branches)


def test_documents() -> None:
    index = built([[A], [], [B, B]])
    assert index.text.tolist() == [END, A, END, END, B, B, END]
    assert index.document_starts.tolist() == [0, 2, 3]


@pytest.mark.parametrize("left", [True, False])
def test_saved_and_loaded(tmp_path: Path, left: bool) -> None:
    rng = np.random.default_rng(0)
    tokens = tokens_of([rng.integers(0, 2, 400).tolist()], LETTERS)
    index = SuffixIndex.build(tokens, Silent(), left=left)
    index.save(tmp_path)
    again = SuffixIndex.load(tmp_path)
    assert again.tokens_hash == tokens.hash
    assert (again.left is None) == (not left)
    for name in ("text", "positions", "branches", "depths", "starts"):
        assert np.array_equal(getattr(index, name), getattr(again, name))
    assert run_of(again, [A, B, A]) == run_of(index, [A, B, A])
    size = sum((tmp_path / f"{name}.npy").stat().st_size for name in ("positions", "branches", "depths"))
    assert size <= 8 * len(index)


def replaced(path: Path, change: object) -> None:
    array = np.load(path)
    np.save(path, change(array))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: replaced(folder / "text.npy", lambda text: text[::-1]), "is not the text that was indexed"),
        (lambda folder: replaced(folder / "positions.npy", lambda array: array[::-1]), "does not fit"),
        (lambda folder: replaced(folder / "positions.npy", lambda array: array + 500), "a position has a number"),
        (lambda folder: replaced(folder / "branches.npy", lambda array: array[:3]), "does not ascend|is not within"),
        (lambda folder: replaced(folder / "depths.npy", lambda array: array[:1]), "not a whole saved suffix index"),
        (lambda folder: (folder / "branches.npy").unlink(), "not a whole saved suffix index"),
        (lambda folder: (folder / "positions.npy").write_bytes(b"\x93NUMPY"), "not a whole saved suffix index"),
        (lambda folder: (folder / "index.json").write_text("{"), "not a whole saved suffix index"),
        (lambda folder: (folder / "index.json").write_text('{"left": false}'), "not a whole saved suffix index"),
    ],
)
def test_an_index_that_is_not_what_was_saved(tmp_path: Path, damage: object, message: str) -> None:
    SuffixIndex.build(tokens_of([[A, B, B, A, A, B] * 30], LETTERS), Silent()).save(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(LmbenchError, match=message) as caught:
        SuffixIndex.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_wide_vocabulary() -> None:
    size = 100_000
    vocabulary = Vocabulary((b"x",) * (size - 1) + (b"",), size - 1)
    ids = np.append(np.random.default_rng(1).integers(0, size - 1, 5_000), size - 1).astype(np.uint32)
    index = SuffixIndex.build(Tokens(ids, np.zeros(1, np.int64), vocabulary), Silent())
    low, high = index.find(ids, np.arange(4_000), np.full(4_000, 3))
    assert (high > low).all()
    assert (index.positions[low] == np.arange(1, 4_001)).all()


FIELDS = ("text", "positions", "branches", "depths", "starts", "left")


def on_disk(tokens: Tokens) -> SuffixIndex:
    index = SuffixIndex.build(tokens, Silent(), left=True, memory=1)
    assert index.note is not None
    assert index.note.startswith("indexed on disk: in memory it takes about")
    return index


def assert_same(tokens: Tokens) -> None:
    """To the bit; whatever is asked of it then, also of what reaches over the ends of its parts, is the same."""
    whole, parts = SuffixIndex.build(tokens, Silent(), left=True), on_disk(tokens)
    assert whole.note is None
    for name in FIELDS:
        one, other = getattr(whole, name), getattr(parts, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other), name


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 3))
def test_an_index_built_on_disk_is_the_same_to_the_bit(documents: list[list[int]], cut: int) -> None:
    tokens = tokens_of(documents, LETTERS)
    assert_same(tokens.head(max(1, len(tokens) - cut)))


@pytest.mark.parametrize("chunk", [1 << 20, 1_000])
def test_an_index_of_many_parts_built_on_disk(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random letters, long repeats, a run of one letter: sorted in several parts, and beyond the depth of the keys."""
    monkeypatch.setattr(suffix_branches, "_CHUNK", chunk)
    rng = np.random.default_rng(0)
    once = rng.integers(0, 2, 150_000).tolist()
    assert_same(tokens_of([once, [A] * 2_000, [*once[20_000:80_000], B]], LETTERS))


def test_where_an_allocation_fails_it_is_indexed_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(suffix_index, "in_memory", none)
    index = SuffixIndex.build(tokens_of([[A, B, A, B, B]], LETTERS), Silent())
    assert index.positions.tolist() == [1, 3, 2, 4, 5, 6, 0]
    assert index.note is not None
    assert "were not to be had" in index.note


@pytest.mark.parametrize("smoothing", ["", "smoothing=pitman_yor, "])
def test_a_model_of_an_index_on_disk_says_so_and_comes_to_the_same(smoothing: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    train, valid = (tokens_of([rng.integers(0, 2, size).tolist()], LETTERS) for size in (3_000, 300))
    spec = f"suffix({smoothing}depth=4"
    one, other = (models.make(f"{spec}{end}").fit(train, valid, Silent()) for end in (")", ", memory=0.01)"))
    assert np.array_equal(one.log_probs(valid, Silent()), other.log_probs(valid, Silent()))
    assert next(note for note in other.card.notes if note not in one.card.notes).startswith("suffix: indexed on disk: ")
    for name, model in (("one", one), ("other", other)):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
    names = ["text", "positions", "branches", "depths", *(["left"] if smoothing else [])]
    for name in names:
        read = [(tmp_path / which / "index" / f"{name}.npy").read_bytes() for which in ("one", "other")]
        assert read[0] == read[1]
