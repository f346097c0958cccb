"""The suffix model against its definition, worked out suffix by suffix."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model._suffixes import PitmanYor, Seen, untuned
from lmbench.model.suffix import Suffix
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

LETTERS = alphabet(3)
END = LETTERS.end_of_text
DOCUMENTS = st.lists(
    st.tuples(st.lists(st.integers(0, 2), max_size=9), st.integers(1, 3)).map(lambda pair: pair[0] * pair[1]),
    min_size=1,
    max_size=3,
)
NONE = tokens_of([], LETTERS)


def text_of(*documents: str) -> Tokens:
    return tokens_of([["abc".index(letter) for letter in document] for document in documents], LETTERS)


def after(text: list[int], context: list[int]) -> list[tuple[int, int]]:
    """(token before, token after) of every occurrence of a context; the first end of text comes after nothing."""
    size = len(context)
    places = (at for at in range(len(text) - size) if text[at : at + size] == context and (size or at))
    return [(text[at - 1] if at else -1, text[at + size]) for at in places]


def seen_suffixes(text: list[int], context: list[int], depth: int) -> list[list[int]]:
    """Those of at most `depth` tokens, shortest first, and the longest: all with something after them."""
    ends = [context[len(context) - size :] for size in range(len(context) + 1)]
    seen = [end for end in ends if after(text, end)]
    return [end for end in seen if len(end) <= depth or end is seen[-1]]


def infinity_gram(text: list[int], context: list[int]) -> list[float]:
    following = [token for _, token in after(text, seen_suffixes(text, context, 0)[-1])]
    return [following.count(token) / len(following) for token in range(len(LETTERS))]


def pitman_yor(text: list[int], context: list[int], rows: list[list[float]], depth: int) -> list[float]:
    probs = [1 / len(LETTERS)] * len(LETTERS)
    for suffix in seen_suffixes(text, context, depth):
        deep = len(suffix) > depth
        row = rows[-1] if deep else rows[min(len(suffix), 8)]
        pairs = after(text, suffix)
        counts = [sum(1 for _, token in pairs if token == w) for w in range(len(LETTERS))]
        lefts = [len({left for left, token in pairs if token == w}) for w in range(len(LETTERS))]
        if deep or suffix[:1] == [END]:
            lefts = counts  # before the beginning of a document there is nothing to count
        types = sum(count > 0 for count in counts)
        discount = 1 / (1 + math.exp(-row[0] - row[1] * math.log(types)))
        repeats = 1 / (1 + math.exp(-row[2] - row[3] * math.log(types)))
        strength = math.exp(row[4] + row[5] * math.log(types))
        mixed = [left + repeats * (count - left) for left, count in zip(lefts, counts, strict=True)]
        share = (discount * types + strength) / (sum(mixed) + strength)
        probs = [
            (amount - discount * (amount > 0)) / (sum(mixed) + strength) + share * lower
            for amount, lower in zip(mixed, probs, strict=True)
        ]
    return probs


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, st.lists(st.integers(0, 2), max_size=14), st.integers(1, 4))
def test_infinity_gram_is_the_ratio_of_the_longest_suffix(
    documents: list[list[int]], context: list[int], depth: int
) -> None:
    model = Suffix(depth=depth).fit(tokens_of(documents, LETTERS), NONE, Silent())
    found = np.exp(model.next_log_probs(np.array(context, dtype=np.int64)))
    assert found == pytest.approx(infinity_gram(model.index.text.tolist(), [END, *context]), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 12), st.integers(0, 10**6), st.booleans())
def test_pitman_yor_is_the_recursion_over_all_suffixes(
    documents: list[list[int]], asked: list[list[int]], depth: int, seed: int, copied: bool
) -> None:
    model = Suffix(smoothing="pitman_yor", depth=depth).fit(tokens_of(documents, LETTERS), NONE, Silent())
    model._settings = untuned() + torch.from_numpy(np.random.default_rng(seed).normal(size=(10, 6)))
    trained = model.index.text.tolist()
    tokens = tokens_of(documents if copied else asked, LETTERS)
    scores = model.log_probs(tokens, Silent())
    at = 0
    for index in range(len(tokens.documents)):
        document = tokens.document(index).tolist()
        for place, token in enumerate(document):
            expected = pitman_yor(trained, [END, *document[:place]], model._settings.tolist(), depth)
            assert sum(expected) == pytest.approx(1, abs=1e-12)
            assert math.exp(scores[at]) == pytest.approx(expected[token], abs=1e-12)
            at += 1


def test_one_step_by_hand() -> None:
    """The example of the docstring: K = 0, D = 1/2, S = 1."""
    row = torch.tensor([[0.0, 0.0, -1e3, 0.0, 0.0, 0.0]], dtype=torch.float64)
    four, two, three, seven = (torch.tensor([value], dtype=torch.float64) for value in (4.0, 2.0, 3.0, 7.0))
    seen = Seen(row=0, total=four * 5, count=seven, types=two, left_total=four, left_count=three)
    assert PitmanYor(row)(seen, torch.tensor([0.25], dtype=torch.float64)).tolist() == pytest.approx([0.6])


def test_what_the_card_says_of_sparse_estimates() -> None:
    """In "abac", a is followed by b and c, b by a alone, c by the end alone.

    Of "abc" the first token comes after the beginning, which is sparse and right; b after "$a", sparse and right;
    c after "$ab", sparse (a followed) and wrong; the end after "c", sparse and right.
    """
    card = Suffix().fit(text_of("abac"), text_of("abc"), Silent()).card
    assert not card.smoothed
    assert card.training["valid_sparse"] == 1
    assert card.training["valid_sparse_right"] == pytest.approx(3 / 4)
    assert card.training["valid_zero"] == pytest.approx(1 / 4)
    assert card.training["valid_suffix_length"] == pytest.approx((1 + 2 + 3 + 1) / 4)
    assert "100.0% of the estimates are sparse" in card.notes[0]
    assert "75.0%" in card.notes[0]


def test_tuning_helps_on_the_text_it_is_tuned_on_and_is_kept_when_counts_are_taken_again() -> None:
    rng = np.random.default_rng(2)
    words = ["abc", "ab", "cab", "ca"]
    train, valid = (text_of("".join(words[at] for at in rng.integers(0, 4, size))) for size in (600, 150))
    model = Suffix(smoothing="pitman_yor").fit(train, valid, Silent())
    tuned = model.log_probs(valid, Silent()).mean()
    assert model.card.training["settings"] == model._settings.tolist()
    chosen, model._settings = model._settings, untuned()
    assert tuned > model.log_probs(valid, Silent()).mean() + 0.001
    model._settings = chosen
    model.refit(train + valid, Silent())
    assert model.card.training["tokens"] == len(train) + len(valid) == model.card.stored_ngrams - 1
    assert model._settings is chosen
    assert model.log_probs(valid, Silent()).mean() > tuned


def test_without_validation_text() -> None:
    card = Suffix(smoothing="pitman_yor").fit(text_of("abcab"), NONE, Silent()).card
    assert card.notes == ["suffix: no validation text, settings left where they start"]
    assert Suffix().fit(text_of("abcab"), NONE, Silent()).card.notes == []


def test_no_training_text() -> None:
    with pytest.raises(LmbenchError, match="no tokens"):
        Suffix().fit(NONE, NONE, Silent())


@pytest.mark.parametrize("depth", [0, 129])
def test_depth_out_of_range(depth: int) -> None:
    with pytest.raises(UsageError, match="depth must be 1 to 128"):
        Suffix(depth=depth)


def test_a_context_of_any_length() -> None:
    """A context of thousands of tokens that training holds is used to its beginning."""
    rng = np.random.default_rng(4)
    letters = rng.integers(0, 2, 5_000).tolist()
    train = tokens_of([[0, *letters, 0], [1, *letters, 1]], LETTERS)
    model = Suffix().fit(train, NONE, Silent())
    for first in (0, 1):
        following = np.exp(model.next_log_probs(np.array([first, *letters])))
        assert following.tolist() == [1.0 - first, float(first), 0.0, 0.0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "suffix.json").unlink(),
        lambda folder: (folder / "suffix.json").write_text("[]"),
        lambda folder: (folder / "suffix.json").write_text(
            json.dumps({"smoothing": "none", "depth": 500, "settings": []})
        ),
        lambda folder: (folder / "index" / "text.npy").write_bytes(b""),
        lambda folder: np.save(folder / "index" / "text.npy", np.zeros(6, np.uint8)),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, damage: object) -> None:
    Suffix().fit(text_of("abcab"), NONE, Silent()).save(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(LmbenchError, match=str(tmp_path)) as caught:
        Suffix.load(tmp_path)
    assert "fit" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tinyshakespeare_characters(shared: Path) -> None:
    """1.467 nats a character on the last tenth; modified Kneser-Ney of the best order has 1.492, KenLM's 1.517."""
    text = (shared / "data" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    letters = sorted(set(text))
    number = {letter: at for at, letter in enumerate(letters)}
    vocabulary = Vocabulary((*(letter.encode() for letter in letters), b""), len(letters))

    def part(start: float, stop: float) -> Tokens:
        cut = text[int(start * len(text)) : int(stop * len(text))]
        return tokens_of([[number[letter] for letter in cut]], vocabulary)

    model = Suffix(smoothing="pitman_yor").fit(part(0, 0.85), part(0.85, 0.9), Silent())
    model.refit(part(0, 0.9), Silent())
    assert -model.log_probs(part(0.9, 1), Silent()).mean() == pytest.approx(1.467, abs=0.003)
