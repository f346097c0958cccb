from __future__ import annotations

import contextlib
import csv
import gzip
import itertools
import math
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from arpa_texts import TINY, file_of, fitted, letters, written
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_arpa import NaiveArpa

from lmbench.counts.arpa import Arpa, read_arpa
from lmbench.counts.arpa.sums import largest_gap
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.tokens import Vocabulary

A = Vocabulary((b"a", b"<unk>", b"\n"), 2, 1, lossless=False)


def next_probs(arpa: Arpa, context: list[int]) -> list[float]:
    """[V] probabilities of the run's tokens, as the docstring of Arpa says to make them."""
    ids = np.array([arpa.aliases[index] for index in context], dtype=np.int64)
    probs = np.exp(arpa.model.next(ids))[arpa.aliases]
    probs[arpa.aliases == arpa.unknown] /= max(1, arpa.shared)
    return [float(p) for p in probs]


def test_a_file_read_by_hand(tmp_path: Path) -> None:
    """After <s>: a 5/8, </s> 1/2 * 1/2, <unk> 1/2 * 1/4; after a: </s> 2/3, a 2/3 * 1/4, <unk> 2/3 * 1/4."""
    arpa = read_arpa(file_of(TINY, tmp_path), A)
    assert next_probs(arpa, []) == pytest.approx([0.625, 0.125, 0.25], abs=1e-6)
    assert next_probs(arpa, [0]) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-6)
    assert next_probs(arpa, [1]) == pytest.approx([0.25, 0.25, 0.5], abs=1e-6)
    assert (arpa.words, arpa.outside, arpa.left_out, arpa.inserted, arpa.shared) == (4, 0, 0, 0, 1)


def test_what_other_tools_write(tmp_path: Path) -> None:
    """Any order, spaces, no back-off where it is 1, CRLF, a preamble, <s> at -99 or 0, -inf for zero, -nan nowhere."""
    text = (
        "some tool\nwrote this\n\n\\data\\\nngram  1 = 4\nngram 2=2 \n\n\\1-grams:\n-0.6020599913 a -0.1760912591 \n"
        "0 <s>\t-0.3010299957\n\n-0.3010299957  </s>\n-.6020599913 <UNK>\n\n\\2-grams:\n-0.1760912591 a </s>\n"
        "-0.2041199827 <s> a\n\n\n\\end\\\n\n"
    )
    for spelled in (text, text.replace("\n", "\r\n"), text.rstrip(), "\n" + text):
        arpa = read_arpa(file_of(spelled, tmp_path), A)
        assert next_probs(arpa, []) == pytest.approx([0.625, 0.125, 0.25], abs=1e-6)
        assert next_probs(arpa, [0]) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-6)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zip"])
def test_compressed_files(tmp_path: Path, suffix: str) -> None:
    import zipfile

    path = tmp_path / f"model.arpa{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.arpa", TINY)
    else:
        path.write_bytes(gzip.compress(TINY.encode()) if suffix else TINY.encode())
    assert next_probs(read_arpa(path, A), [0]) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-6)


def model_text(seed: int, order: int = 3, unknown: bool = True) -> str:
    """An ARPA file of random text over the letters a to e."""
    rng = np.random.default_rng(seed)
    documents = [rng.integers(0, 6 if unknown else 5, length).tolist() for length in rng.integers(0, 9, 6)]
    tokens = letters(documents, 5, unknown)
    return written(fitted(tokens, order), tokens.vocabulary)


def shuffled(text: str, seed: int) -> str:
    """The same with the n-grams of each section in another order."""
    sections = text.split("\n\n")
    generator = random.Random(seed)
    for index, section in enumerate(sections):
        head, *lines = section.split("\n")
        if head.endswith("-grams:"):
            generator.shuffle(lines)
            sections[index] = "\n".join([head, *lines])
    return "\n\n".join(sections)


LETTERS = letters([[]], 5, True).vocabulary


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_n_grams_in_any_order_and_without_their_prefixes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: int
) -> None:
    """A prefix that a pruned file has not changes nothing: its n-grams count as before, its weight as 1."""
    text = model_text(seed, order)
    lines = text.split("\n")
    generator = random.Random(seed)
    drop = [
        at for at, line in enumerate(lines)
        if len(line.split("\t")) == 3 and " " in line.split("\t")[1] and generator.random() < 0.3
    ]  # fmt: skip
    left = "\n".join(line for at, line in enumerate(lines) if at not in drop)
    for k in range(1, order + 1):
        had = text.split(f"\\{k}-grams:\n")[1].split("\n\n")[0].split("\n")
        has = left.split(f"\\{k}-grams:\n")[1].split("\n\n")[0]
        left = left.replace(f"ngram {k}={len(had)}", f"ngram {k}={len(has.split(chr(10))) if has else 0}")
    naive = NaiveArpa(left)
    arpa = read_arpa(file_of(shuffled(left, seed), tmp_path_factory.mktemp("arpa")), LETTERS)
    names = ["a", "b", "c", "d", "e", "<unk>", "</s>"]
    for context in ([], [0], [3, 5], [1, 1, 2], [4, 3, 2, 1]):
        history = ("<s>", *(names[index] for index in context))
        expected = [naive.p(name, history) for name in names]
        assert next_probs(arpa, context) == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 10_000), st.sets(st.sampled_from("abcdexyz")), st.booleans(), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_another_vocabulary_still_sums_to_one(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kept: set[str], unknown: bool, order: int
) -> None:
    text = model_text(seed, order)
    naive = NaiveArpa(text)
    tokens = [letter.encode() for letter in sorted(kept)]
    extra = (b"<unk>", b"\n") if unknown else (b"\n",)
    vocabulary = Vocabulary((*tokens, *extra), len(tokens) + unknown, len(tokens) if unknown else None)
    arpa = read_arpa(file_of(text, tmp_path_factory.mktemp("arpa")), vocabulary)
    names = [*sorted(kept), *(["<unk>"] if unknown else []), "</s>"]
    own = [name in "abcde" or name == "</s>" for name in names]
    every = ["a", "b", "c", "d", "e", "<unk>", "</s>"]
    for context in itertools.chain([()], itertools.permutations(range(len(names) - 1), min(2, len(names) - 1))):
        history = ("<s>", *(names[index] for index in context))
        all_probs = {name: naive.p(name, history) for name in every}
        assert sum(all_probs.values()) == pytest.approx(1, abs=1e-5)
        rest = sum(p for name, p in all_probs.items() if name not in names or name == "<unk>")
        sharing = own.count(False)
        if sharing:
            expected = [all_probs[name] if mine else rest / sharing for name, mine in zip(names, own, strict=True)]
        else:
            expected = [all_probs[name] / (1 - rest) for name in names]
        found = next_probs(arpa, list(context))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert sum(found) == pytest.approx(1, abs=1e-5)


def test_n_grams_nobody_can_ask_for_are_left_out(tmp_path: Path) -> None:
    text = TINY.replace("ngram 2=2", "ngram 2=5").replace(
        "-0.1760912591\ta </s>", "-0.1760912591\ta </s>\n-1\t</s> a\n-1\ta <s>\n-1\t</s> <s>"
    )
    arpa = read_arpa(file_of(text, tmp_path), A)
    assert arpa.left_out == 3
    assert next_probs(arpa, [0]) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-6)
    assert next_probs(arpa, []) == pytest.approx([0.625, 0.125, 0.25], abs=1e-6)


def test_without_marks_and_unknown(tmp_path: Path) -> None:
    text = "\\data\\\nngram 1=2\n\n\\1-grams:\n-0.30103 a\n-0.30103 b\n\n\\end\\\n"
    arpa = read_arpa(file_of(text, tmp_path), A)
    assert (arpa.has_unknown, arpa.has_end, arpa.outside, arpa.shared) == (False, False, 1, 1)
    assert next_probs(arpa, [0]) == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)  # b is unknown to the run


def test_nothing_left_for_the_run(tmp_path: Path) -> None:
    """After b comes only a word that the run has not, and the run has no unknown token to hold its probability."""
    text = (
        "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-99 <s>\n-.4771213 </s>\n-.4771213 b -99\n-.4771213 z\n\n"
        "\\2-grams:\n0 b z\n-99 b b\n\n\\end\\\n"
    )
    vocabulary = Vocabulary((b"b", b"\n"), 1)
    with pytest.raises(LmbenchError, match="contexts after which no token of this run"):
        read_arpa(file_of(text, tmp_path), vocabulary)


def test_scores_of_lmplz_are_reproduced_from_its_file(shared: Path) -> None:
    golden = shared / "golden"
    arpa = read_arpa(golden / "words3.arpa.xz")
    ids = {token: index for index, token in enumerate(arpa.vocabulary.tokens)}
    unknown, end = arpa.vocabulary.unknown, arpa.vocabulary.end_of_text
    text = [line.split() for line in (golden / "words.test.txt").read_text(encoding="utf-8").split("\n")]
    stream = [index for line in text if line for index in [*(ids.get(w.encode(), unknown) for w in line), end]]
    found = arpa.model.score(np.array(stream, dtype=np.uint32), Silent()) / math.log(10)
    with (golden / "words3.scores.tsv").open(encoding="utf-8", newline="") as file:
        expected = [float(row["log10_prob"]) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 1e-5
    assert largest_gap(arpa.model) < 1e-6


@pytest.mark.parametrize(
    ("part", "wrong", "gap"),
    [
        ("-0.2041199827", "-0.3010299957", 1 / 8),  # p(a | <s>) 1/2 for 5/8
        ("a\t-0.1760912591", "a\t0", 1 / 6),  # after a, weight 1 for 2/3 of the half that is not </s>
        ("-0.6020599913\t<unk>", "-1\t<unk>", 0.15),  # of the 1-grams, 0.1 for 1/4
    ],
)
def test_the_gap_is_how_far_a_context_is_from_one(tmp_path: Path, part: str, wrong: str, gap: float) -> None:
    assert largest_gap(read_arpa(file_of(TINY, tmp_path), A).model) < 1e-6
    assert TINY.count(part) == 1
    text = TINY.replace(part, wrong)
    assert largest_gap(read_arpa(file_of(text, tmp_path), A).model) == pytest.approx(gap, abs=1e-6)


WRONG = [
    ("ngram 2=2", "ngram 2=3", r":5: the header announces 3 2-grams, and there are 2"),
    ("ngram 2=2", "ngram 2=1", r":5: the header announces 1 2-grams, and there are more"),
    ("ngram 1=4", "ngram 1=5", r":4: the header announces 5 1-grams, and there are 4"),
    ("ngram 2=2", "ngram 2=999999999999999", r":5: the header announces 999,999,999,999,999 2-grams"),
    ("ngram 2=2", "ngram 2=" + "9" * 5000, r":5: 'ngram 2=9999.* in the header, where"),
    ("ngram 2=2", "ngram 3=2", r":5: the header counts 3-grams where 2-grams are next"),
    ("ngram 2=2", "ngram 2=-2", r":5: 'ngram 2=-2' in the header"),
    ("ngram 2=2", "", r":13: '..2-grams:' where .end. is wanted"),
    ("ngram 1=4\nngram 2=2\n", "", r":3: the header counts n-grams of 0 orders"),
    ("\\1-grams:", "\\2-grams:", r":7: '..2-grams:' where .1-grams: is wanted"),
    ("\\2-grams:", "", r":14: 'a' is not a number"),
    ("\\2-grams:\n-0.2041199827\t<s> a\n-0.1760912591\ta </s>\n", "", r":14: '..end..' where .2-grams: is wanted"),
    ("\\data\\", "\\dat\\", r":1: there is no .data. line"),
    ("\\end\\\n", "", r":16: the file ends after 2 2-grams, with no .end.; it is cut off"),
    ("\\end\\", "\\end\\\n-1\ta", r":18: '-1.*a' after .end."),
    ("-0.2041199827\t", "0.2041199827\t", r":14: 0.2041199827 is a log-probability above 0"),
    ("-0.2041199827\t", "nan\t", r":14: 'nan' is not a number"),
    ("-0.2041199827\t", "-0.20411x\t", r":14: '-0.20411x' is not a number"),
    ("-0.3010299957\n-0.3", "NaN\n-0.3", r":8: 'NaN' is not a number"),
    ("-0.3010299957\n-0.3", "inf\n-0.3", r":8: 'inf' is not a number"),
    ("\ta </s>", "\t<s> a", r":15: '<s> a' is listed a second time"),
    ("-0.6020599913\t<unk>", "-0.6020599913\ta", r":11: 'a' is listed a second time"),
    ("\ta </s>", "\tb </s>", r":15: 'b' is not among the 1-grams"),
    ("\ta </s>", "\ta", r":15: 2 fields"),
    ("\ta </s>", "\ta </s> 0 0", r":15: 5 fields"),
]


@pytest.mark.parametrize(("part", "wrong", "reason"), WRONG, ids=[reason[:30] for *_, reason in WRONG])
def test_what_is_wrong_is_said_in_one_line_with_its_number(tmp_path: Path, part: str, wrong: str, reason: str) -> None:
    assert TINY.count(part) == 1
    path = file_of(TINY.replace(part, wrong), tmp_path)
    with pytest.raises(LmbenchError, match=reason) as caught:
        read_arpa(path, A)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r":1: there is no .data. line"),
        (bytes(range(256)) * 20_000, r":1: there is no .data. line"),
        (b"x\n" * 2_000_000, r":1: there is no .data. line"),
        (b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\t\xff\xfe\n\n\\end\\\n", r":5: not UTF-8"),
        (b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1 " + b"a" * (1 << 25), r":5: a line of more than 16,777,216 bytes"),
        (b"# tokens: rot13\n" + TINY.encode(), r":1: tokens spelled 'rot13'; known are plain, byte_to_unicode"),
        (b"\\data\\\n" + b"".join(b"ngram %d=1\n" % k for k in range(1, 34)) + b"\n\\1-grams:\n", r":1: .* 33 orders"),
    ],
    ids=["empty", "binary", "text", "not UTF-8", "long line", "spelling", "orders"],
)
def test_what_is_no_arpa_file(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(LmbenchError, match=reason):
        read_arpa(file_of(content, tmp_path))


def test_every_truncation_is_found(tmp_path: Path) -> None:
    content = TINY.encode()
    whole = content.rindex(b"\\end\\") + len(b"\\end\\")
    for length in range(whole):
        with pytest.raises(LmbenchError):
            read_arpa(file_of(content[:length], tmp_path))
    damaged = gzip.compress(content)[:-40]
    with pytest.raises(LmbenchError, match=r"model.arpa.gz:1: damaged or not gz data"):
        read_arpa(file_of(damaged, tmp_path, "model.arpa.gz"))


@given(st.integers(0, 10_000), st.data())
@settings(deadline=None, max_examples=80)
def test_damage_is_an_error_or_another_model_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    content = bytearray(model_text(seed % 5).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        stop = at + data.draw(st.integers(0, 12))
        content[at:stop] = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b"\n", b"\t", b" ", b"\\", b"9"]))
        )
    path = file_of(bytes(content), tmp_path_factory.mktemp("arpa"))
    with contextlib.suppress(LmbenchError):
        assert not np.isnan(read_arpa(path, LETTERS).model.next(np.array([0, 1]))).any()


def test_the_header_allocates_nothing(tmp_path: Path) -> None:
    path = file_of(TINY.replace("ngram 2=2", "ngram 2=900000000000000"), tmp_path)
    tracemalloc.start()
    with pytest.raises(LmbenchError, match="announces"):
        read_arpa(path, A)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_a_file_that_a_higher_order_was_cut_off_from_is_read(tmp_path: Path) -> None:
    """The back-offs of its highest order have nothing to back off from: the model is that of the file without them."""
    text = TINY.replace("<s> a\n", "<s> a\t-0.1\n").replace("\ta </s>\n", "\ta </s>\t-0.5\n")
    whole, cut = (read_arpa(file_of(each, tmp_path), A) for each in (TINY, text))
    assert (whole.cut, cut.cut) == (0, 2)
    for context in ([], [0], [1]):
        assert next_probs(cut, context) == next_probs(whole, context)
