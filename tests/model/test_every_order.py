"""Distributions of every order, and of contexts of other kinds, against models that are made one by one."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from small_texts import VOCABULARY, byte_alphabet, letters

from lmbench.counts.ngrams import NgramCounts
from lmbench.model import models
from lmbench.model._context_maps import CHARACTERS, GAPS, REACH, ContextMap, Lexicon, keys_of
from lmbench.model._every_order import Columns, EveryOrder
from lmbench.model._experts import without
from lmbench.progress import Silent
from lmbench.tokens import Tokens, tokens_of

TEXT = tokens_of([letters(1, 400), letters(2, 40), [], [3], letters(3, 150)], VOCABULARY)
TEST = tokens_of([letters(6, 45), [6, 6, 0, 6], [], letters(7, 12)], VOCABULARY)
WORDS = byte_alphabet()


def words(text: str, *more: str) -> Tokens:
    return tokens_of([list(each.encode()) for each in (text, *more)], WORDS)


def test_every_order_is_the_model_of_that_order() -> None:
    counts = NgramCounts(TEXT, 5)
    orders = EveryOrder.of(counts, torch.float64)
    contexts = orders.contexts(TEST.ids)[:, :-1]
    rows = orders.distributions(contexts, torch.float64)[:, :, orders.columns.of_type]
    targets = orders.of_targets(contexts, torch.from_numpy(TEST.ids.astype(np.int64)))
    for order in range(1, 6):
        spec = f"ngram(order={order}, smoothing=modified_kneser_ney(fallback=constant))"
        model = models.make(spec).fit(TEXT, TEXT.head(0), Silent())
        every = np.concatenate(list(model.stretches(TEST)))
        assert rows[:, order - 1].log().numpy() == pytest.approx(every, abs=1e-12)
        assert targets[:, order - 1].log().numpy() == pytest.approx(model.log_probs(TEST, Silent()), abs=1e-12)


def test_columns_by_hand() -> None:
    columns = Columns.of(torch.tensor([2, 0, 1, 0]))
    assert columns.of_type.tolist() == [0, 2, 1, 2]
    assert columns.multiplicity.tolist() == [1, 1, 2]
    assert Columns.of(torch.tensor([1, 1])).multiplicity.tolist() == [1, 1]


def test_what_is_known_of_a_context() -> None:
    counts = NgramCounts(tokens_of([[0, 1, 0, 1, 0, 2]], VOCABULARY), 2)
    orders = EveryOrder.of(counts, torch.float64)
    # a: twice before b and once before c; discounts 0.5 and 1 where there is no closed form
    known = orders.top[0].what_is_known(torch.tensor([0, -1]))
    assert known[0].exp().tolist() == pytest.approx([4, 2, 2, 1, (2 - 1) / 3])
    assert known[1].tolist() == [0] * 5


@pytest.mark.parametrize("kinds", [GAPS, CHARACTERS])
def test_maps_are_what_a_dictionary_counts(kinds: dict[str, object]) -> None:
    train, test = words("the cat sat. The cat ran", "a cat"), words("the cat. The", "cat")
    lexicon = Lexicon.of(WORDS)
    for name, kind in kinds.items():
        followed: dict[int, Counter[int]] = defaultdict(Counter)
        keys = keys_of(kind, lexicon.place(train.ids))  # type: ignore[arg-type]
        for key, token in zip(keys[:-1].tolist(), train.ids.tolist(), strict=True):
            followed[key][token] += 1
        every = ContextMap.of(keys[:-1], train.ids.astype(np.int64), len(WORDS), torch.float64)
        asked = keys_of(kind, lexicon.place(test.ids))  # type: ignore[arg-type]
        found = every.find(asked)
        lower = torch.full((len(asked), len(WORDS)), 1 / len(WORDS), dtype=torch.float64)
        rows = every.shares.over(lower, found)
        assert rows.sum(1).numpy() == pytest.approx(1, abs=1e-12), name
        first = every.shares.first.tolist()
        for key, context in zip(asked.tolist(), found.tolist(), strict=True):
            assert (context >= 0) == (key in followed), name
            if key in followed:
                here = slice(first[context], first[context + 1])
                assert every.shares.columns[here].tolist() == sorted(followed[key]), name
                known = every.shares.what_is_known(torch.tensor([context]))[0].exp() - 1
                assert known[0].item() == pytest.approx(followed[key].total(), rel=1e-6), name


def test_keys_of_words() -> None:
    text = words("The cat sat on the CAT's mat")
    place = Lexicon.of(WORDS).place(text.ids)
    at = {word: "The cat sat on the CAT's mat".index(word) for word in ("cat", "sat", "on", "the", "CAT", "mat")}
    assert place.word1[at["cat"]] == place.word1[at["CAT"]]  # after The and the
    assert place.word2[at["sat"]] == place.word2[at["cat"] + 4]
    assert place.prefix[at["cat"] + 2] == place.prefix[at["CAT"] + 2]  # ca
    assert place.prefix[at["cat"] + 2] != place.prefix[at["sat"] + 2]
    assert place.word1[at["The" if "The" in at else "cat"] - 4] == 0  # the first word has none before it


def test_keys_depend_on_no_more_than_their_reach_and_not_on_other_documents() -> None:
    generator = np.random.default_rng(0)
    text = "".join(generator.choice(list("ab c.A"), 400))
    whole = words("another text here", text)
    lexicon = Lexicon.of(WORDS)
    start = int(whole.documents[1])
    for kind in CHARACTERS.values():
        keys = keys_of(kind, lexicon.place(whole.ids))
        alone = keys_of(kind, lexicon.place(whole.ids[start:]))
        assert (keys[start:] == alone).all()
        for at in (130, 250, 401):
            part = keys_of(kind, lexicon.place(whole.ids[start + at - REACH : start + at]))
            assert part[-1] == alone[at]


def test_without_a_part() -> None:
    text = tokens_of([[0, 1, 2], [3, 4]], VOCABULARY)
    kept = without(text, 1, 5)
    assert kept.ids.tolist() == [0, VOCABULARY.end_of_text, 4, VOCABULARY.end_of_text]
    assert kept.documents.tolist() == [0, 2]
    assert without(text, 0, len(text)).documents.tolist() == []
