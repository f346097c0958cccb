from __future__ import annotations

import hashlib
import itertools
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lmbench.corpus import corpora, open_source
from lmbench.corpus.split import split
from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError, UsageError


def contents(text: Text) -> str:
    return b"".join(window.tobytes() for window in text.contents()).decode()


def test_one_document_by_hand() -> None:
    splits = split(text_of(["あいうえお" * 4]), "90/5/5:end")  # 20 characters: cuts at 18 and 19
    assert [contents(part) for part in (splits.train, splits.valid, splits.test)] == [
        ("あいうえお" * 4)[:18],
        "え",
        "お",
    ]
    assert not splits.refit
    assert "90/5/5 of the characters: contiguous" in splits.rule


@pytest.mark.parametrize("size", [20, 100, 1003, 1_000_000])
def test_the_last_tenth_is_karpathys_to_the_character(size: int) -> None:
    splits = split(text_of(["x" * size]), "90/10")
    assert splits.test.characters == size - int(size * 0.9)
    assert splits.train.characters == size * 85 // 100


def test_a_cut_does_not_come_a_character_early_for_a_rounding_error() -> None:
    splits = split(text_of(["x" * 10]), "70/10/20")  # the sum of the shares before the test is a hair less than 0.8
    assert [part.characters for part in (splits.train, splits.valid, splits.test)] == [7, 1, 2]


def test_two_parts_validate_inside_the_training_part() -> None:
    splits = split(text_of(["0123456789" * 10]), "90/10")
    sizes = [part.characters for part in (splits.train, splits.valid, splits.test)]
    assert sizes == [85, 5, 10]
    assert splits.refit
    assert "counts are taken again" in splits.rule


def test_karpathys_convention(shared: Path, tmp_path: Path) -> None:
    text = open_source(str(shared / "data" / "tinyshakespeare.txt"), cache=tmp_path).text
    splits = split(text, "90/10")
    assert splits.train.characters + splits.valid.characters == 1_003_854
    assert splits.test.characters == 111_540


def test_a_cut_moves_to_a_document_boundary_within_one_per_cent() -> None:
    # 200 characters; the cuts fall at 180 and 190, and boundaries at 178, 192 are within 2.
    text = text_of(["a" * 178, "b" * 14, "c" * 8])
    splits = split(text, "90/5/5:end")
    assert [contents(part) for part in (splits.train, splits.valid, splits.test)] == ["a" * 178, "b" * 14, "c" * 8]
    # At 177 it is too far, and the cut falls inside the second document.
    splits = split(text_of(["a" * 177, "b" * 15, "c" * 8]), "90/5/5:end")
    assert contents(splits.train) == "a" * 177 + "b" * 3
    assert [len(part.starts) for part in (splits.train, splits.valid, splits.test)] == [2, 1, 1]


@settings(max_examples=200)
@given(
    st.lists(st.text(alphabet="ab é猫😀\n", min_size=1, max_size=40), min_size=1, max_size=8),
    st.sampled_from(["90/5/5:end", "90/10", "50/25/25:end", "98/1/1:end", "33.5/33.5/33:end"]),
    st.booleans(),
)
def test_nothing_is_lost_and_the_order_is_kept(documents: list[str], fractions: str, lines: bool) -> None:
    documents[0] += "x" * 500  # enough for one per cent to be a few characters
    text = text_of(documents, lines=lines)
    splits = split(text, fractions)
    parts = [splits.train, splits.valid, splits.test]
    assert "".join(contents(part) for part in parts) == "".join(documents)
    total = text.characters
    shares = [float(share) / 100 for share in fractions.removesuffix(":end").split("/")]
    expected = shares[0] if len(shares) == 3 else 0.85
    assert abs(splits.train.characters - expected * total) <= 0.01 * total + 2
    for part in parts:
        assert part.bytes > 0
        assert part.lines == lines


def test_given_texts_leave_only_the_missing_part_to_cut_off() -> None:
    text, other = text_of(["x" * 100]), text_of(["other"])
    both = split(text, valid=other, test=other)
    assert both.train.characters == 100
    assert both.valid is other
    assert both.test is other
    assert "as given" in both.rule
    one = split(text, test=other)
    assert (one.train.characters, one.valid.characters, one.test) == (95, 5, other)
    assert "validation" in one.rule
    two = split(text, "90/10", valid=other)
    assert (two.train.characters, two.valid, two.test.characters, two.refit) == (90, other, 10, False)


@pytest.mark.parametrize(
    "fractions", ["", "90", "90/5", "90/5/4", "100/0", "90/5/5/0", "a/b", "90/-5/15", "4/96", "90/5/5:ends", "90/5/5:"]
)
def test_malformed_fractions(fractions: str) -> None:
    with pytest.raises(UsageError, match="split"):
        split(text_of(["x" * 100]), fractions)


@pytest.mark.parametrize("documents", [["a"], ["a", "b"], ["abc"], ["猫" * 9]])
def test_too_short_a_text_is_one_line(documents: list[str]) -> None:
    with pytest.raises(LmbenchError, match="split would be empty"):
        split(text_of(documents))


def test_an_empty_given_text_is_named() -> None:
    with pytest.raises(LmbenchError, match=": the test text is empty"):
        split(text_of(["x" * 100]), test=text_of([]))


def parts_of(text: Text, fractions: str = "90/5/5") -> list[list[str]]:
    splits = split(text, fractions)
    return [[part.document(at) for at in range(len(part.starts))] for part in (splits.train, splits.valid, splits.test)]


def many_documents(count: int = 400, seed: int = 3) -> list[str]:
    generator = random.Random(seed)
    return ["".join(generator.choices("abcdé猫 \n", k=generator.randint(1, 80))) for _ in range(count)]


def test_drawn_documents_by_hand() -> None:
    # Of 40 equal documents 5 % are 2.
    documents = [f"{number:02}" for number in range(40)]
    by_hash = sorted(documents, key=lambda document: hashlib.sha256(b"lmbench 39\n" + document.encode()).digest())
    train, valid, test = parts_of(text_of(documents), "90/5/5:documents")
    assert (set(test), set(valid), set(train)) == (set(by_hash[:2]), set(by_hash[2:4]), set(by_hash[4:]))
    assert train == sorted(train)  # within a part the order is the text's


@pytest.mark.parametrize("fractions", ["90/5/5", "80/10/10", "90/10:documents", "70/10/20:documents"])
def test_drawn_documents_do_not_depend_on_the_order(fractions: str) -> None:
    documents = many_documents()
    first = parts_of(text_of(documents), fractions)
    random.Random(0).shuffle(documents)
    second = parts_of(text_of(documents), fractions)
    assert [sorted(part) for part in first] == [sorted(part) for part in second]
    assert sorted(itertools.chain(*first)) == sorted(documents)
    assert "SHA-256" in split(text_of(documents), fractions).rule


def test_shares_of_drawn_documents_are_met_to_half_a_document() -> None:
    text = text_of(many_documents())
    splits = split(text, "80/15/5")
    for part, share in ((splits.valid, 0.15), (splits.test, 0.05)):
        assert abs(part.characters - share * text.characters) <= 40


def test_the_test_documents_stay_when_the_validation_share_or_another_document_changes() -> None:
    documents = many_documents()
    test = set(parts_of(text_of(documents), "90/5/5")[2])
    assert set(parts_of(text_of(documents), "80/15/5")[2]) == test
    assert len(test ^ set(parts_of(text_of([*documents, "one more"]), "90/5/5")[2])) <= 2


def test_identical_documents_fall_into_one_part() -> None:
    documents = many_documents(100)
    train, valid, test = (set(part) for part in parts_of(text_of(documents * 5), "60/20/20:documents"))
    assert not train & valid | train & test | valid & test
    assert train | valid | test == set(documents)


def test_a_document_longer_than_a_part_trains() -> None:
    documents = many_documents(300)
    documents[7] = "long " * 1000
    train, valid, test = parts_of(text_of(documents), "90/5/5:documents")
    assert documents[7] in train
    assert min(len(valid), len(test)) >= 5


def prose(paragraphs: int, seed: int = 0) -> str:
    generator = random.Random(seed)
    lines = [" ".join(generator.choices(["word", "né", "猫である", "text"], k=12)) for _ in range(5 * paragraphs)]
    return "".join(line + ("\n\n" if at % 5 == 4 else "\n") for at, line in enumerate(lines))


@pytest.mark.parametrize("fractions", ["90/5/5", "90/5/5:spans", "70/20/10", "90/10:spans"])
def test_spans_lie_apart_and_nothing_is_lost(fractions: str) -> None:
    text = text_of([prose(2000), prose(500, 1)])
    splits = split(text, fractions)
    pieces = []
    for name in ("train", "valid", "test"):
        part = getattr(splits, name)
        pieces += [(int(start), int(end), name) for start, end in zip(part.starts, part.ends, strict=True)]
    pieces.sort()
    assert [pieces[0][0], pieces[-1][1]] == [0, len(text.data)]
    assert all(one[1] == two[0] for one, two in pairwise(pieces))  # neither overlap nor gap
    held_out = [piece for piece in pieces if piece[2] != "train"]
    assert all(one[2] == two[2] or "train" in (one[2], two[2]) for one, two in pairwise(pieces))
    assert {name for *_, name in held_out[:2]} == {"valid", "test"}
    numbers = [float(number) / 100 for number in fractions.partition(":")[0].split("/")]
    for share, part in ((numbers[-1], splits.test), (numbers[1] if len(numbers) == 3 else 0.05, splits.valid)):
        assert part.characters == pytest.approx(share * text.characters, rel=0.1)
    assert "spans for each part" in splits.rule
    assert splits.refit == (len(numbers) == 2)


def test_spans_are_cut_between_paragraphs() -> None:
    text = text_of([prose(3000)])
    splits = split(text)
    assert len(splits.test.starts) == len(splits.valid.starts) > 1
    for part in (splits.valid, splits.test):
        for at in range(len(part.starts)):
            assert part.document(at).endswith("\n\n")
        assert part.sources is not None
        assert set(part.sources.tolist()) == {0}


def test_spans_know_of_which_document_they_are() -> None:
    long = text_of([prose(3000), prose(2000)])
    for part in (split(long).valid, split(long).test):
        assert part.sources is not None
        for start, source in zip(part.starts.tolist(), part.sources.tolist(), strict=True):
            assert long.starts[source] <= start < long.ends[source]
    assert split(text_of(["one document of a few words " * 20]), "80/10/10:spans").test.sources is None


def test_spans_stand_for_a_text_that_changes_on_its_way() -> None:
    # A text whose letter changes nine times: the end knows one of them, spans know all.
    text = text_of(["".join(letter * 40_000 for letter in "abcdefghij")])
    assert set(contents(split(text, "90/5/5:end").test)) == {"j"}
    assert len(set(contents(split(text, "90/5/5").test))) >= 5


@settings(max_examples=100)
@given(
    st.lists(st.text(alphabet="ab é猫😀\n", min_size=1, max_size=40), min_size=1, max_size=60),
    st.sampled_from(["90/5/5:spans", "60/20/20:documents", "60/20/20", "80/20:documents", "34/33/33:spans"]),
    st.booleans(),
)
def test_no_rule_loses_text(documents: list[str], fractions: str, lines: bool) -> None:
    documents[0] += "x" * 500
    try:
        splits = split(text_of(documents, lines=lines), fractions)
    except LmbenchError:  # too little text for three parts
        reject()
    found = "".join(contents(part) for part in (splits.train, splits.valid, splits.test))
    assert sorted(found) == sorted("".join(documents))


def test_a_manifest_states_a_rule_that_split_knows() -> None:
    for known in corpora():
        split(text_of(["x" * 1000]), known.split)
    assert {known.split for known in corpora() if known.name in ("enwik8", "text8")} == {"90/5/5:end"}


def test_a_rule_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"no rule 'hash'.*documents, spans, end"):
        split(text_of(["x" * 100]), "90/5/5:hash")
