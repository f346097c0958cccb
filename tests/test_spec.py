from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.errors import UsageError
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


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("a(", 3),
        ("a(b=1", 6),
        ("a(b=1,b=2)", 7),
        ("a b", 3),
        ("a(b=)", 5),
        ("a(1,2)", 5),
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
