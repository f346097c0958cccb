from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.spec import FIRST, Spec, parse


def _ordinary(name: str) -> bool:
    return name not in ("true", "false", "none", "null")


names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("true", "false", "none")
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    plain | names.map(Spec),
    lambda inner: (
        st.lists(inner, max_size=3) | st.builds(Spec, names, st.dictionaries(names, inner, min_size=1, max_size=3))
    ),
    max_leaves=8,
)


@given(names, st.dictionaries(names, values, max_size=4))
def test_what_is_written_parses_back_to_the_same(name: str, options: dict[str, object]) -> None:
    spec = Spec(name, options)
    assert parse(str(spec)) == spec


def test_the_examples_of_the_issue() -> None:
    assert parse("ngram(order=5, smoothing=kneser_ney)") == Spec("ngram", {"order": 5, "smoothing": Spec("kneser_ney")})
    assert parse("bpe(vocabulary=4_096)").options == {"vocabulary": 4096}
    assert parse("arpa(../models/a.arpa.gz)").options == {FIRST: "../models/a.arpa.gz"}
    nested = parse("mixture(models=[ngram(order=3), cache(model=ngram, window=10)], flat=true)")
    assert nested.options["models"] == [
        Spec("ngram", {"order": 3}),
        Spec("cache", {"model": Spec("ngram"), "window": 10}),
    ]
    assert nested.options["flat"] is True


def test_values_without_a_name_are_a_list_where_there_are_several() -> None:
    written = "mixture(ngram(order=5), lstm)"
    assert parse(written) == parse("mixture([ngram(order=5), lstm])")
    assert parse("mixture(lstm)").options == {FIRST: Spec("lstm")}
    assert parse("mixture([a], b)").options == {FIRST: [[Spec("a")], Spec("b")]}
    asked = {"models": [Spec("ngram", {"order": 5}), Spec("lstm")]}
    for text in (written, "mixture([ngram(order=5), lstm])", "mixture(models=[ngram(order=5), lstm])"):
        assert models.check(parse(text))[1] == asked
    for text in ("mixture(ngram(order=5), lstm, buckets=none)", "mixture(buckets=none, ngram(order=5), lstm)"):
        assert models.check(parse(text))[1] == {**asked, "buckets": None}
    assert models.check(parse("mixture(lstm)"))[1] == {"models": [Spec("lstm")]}


@pytest.mark.parametrize(
    ("text", "marked", "works"),
    [
        ("ngram(order=3", "", "ngram(order=3)"),
        ("ngram(order=5))", ")", "ngram(order=5)"),
        ("ngram(order=5 smoothing=kneser_ney)", "smoothing", "ngram(order=5, smoothing=kneser_ney)"),
        ("ngram order=5", "order", "ngram(order=5)"),
        ("ngram(order=5, smoothing=", "", "ngram(order=5)"),
        ("ngram(ordr=3)", "ordr", "ngram(order=5)"),
        ("ngram(order='5')", "order", "ngram(order=5)"),
        ("ngram(5, kneser_ney)", "5", "ngram(order=5, smoothing=kneser_ney)"),
        ("cache(model=[ngram])", "model", "cache(model=ngram)"),
        ("mixture(5, lstm)", "5", "mixture(models=[bigram_embedding, uniform])"),
        ("cache(ngram, modle=lstm)", "modle", "cache(model=ngram)"),
    ],
)
def test_an_error_shows_the_place_and_a_spec_that_works(text: str, marked: str, works: str) -> None:
    with pytest.raises(UsageError) as raised:
        models.check(parse(text))
    shown, mark = raised.value.shown
    assert shown == f"  {text}"
    assert text[len(mark) - 3 :].startswith(marked or text[len(text) :])
    assert mark.strip() == "^"
    assert works in str(raised.value)
    models.check(parse(works))


def test_the_mark_stands_under_the_place_in_wide_letters_in_long_specs_and_inside_others() -> None:
    with pytest.raises(UsageError) as raised:
        parse("猫(語=1)")
    assert raised.value.shown == ("  猫(語=1)", "  ^")
    with pytest.raises(UsageError) as raised:
        parse("arpa('猫.arpa' x)")
    assert raised.value.shown[1] == "  " + " " * len("arpa('__.arpa' ") + "^"
    inner = ", ".join(["ngram(order=3)"] * 40)
    with pytest.raises(UsageError) as raised:
        models.make(f"mixture({inner}, cache(modle=lstm), {inner})")
    shown, mark = raised.value.shown
    assert len(shown) < 120
    assert shown[len(mark) - 1 :].startswith("modle")


@given(st.text(alphabet="ab=(),[]'1 ", max_size=12))
def test_whatever_is_typed_is_read_or_refused_with_a_mark_inside_it(text: str) -> None:
    try:
        parse(text)
    except UsageError as error:
        if text:
            shown, mark = error.shown
            assert 2 < len(mark) <= len(shown) + 1


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("a(", 3),
        ("a(b=1", 6),
        ("a(b=1,b=2)", 7),
        ("a b", 3),
        ("a(b=)", 5),
        ("a(b=1, [2)", 10),
        ("__import__('os')x", 17),
    ],
)
def test_what_cannot_be_read_is_said_with_its_column(text: str, column: int) -> None:
    with pytest.raises(UsageError, match=f"at column {column}"):
        parse(text)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="levels of nesting"):
        parse("a(b=" * 50)


def test_a_spec_is_never_evaluated() -> None:
    assert parse("a(b='__import__(1)')").options == {"b": "__import__(1)"}
