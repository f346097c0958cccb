"""Published figures: where the text, or its language, is one that somebody has published on."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from lmbench.corpus import manifest, open_source
from lmbench.corpus.manifest import Known, Manifest
from lmbench.pipeline import Plan, Run, run
from lmbench.record import Record
from lmbench.report.published import ELSEWHERE, OF_THIS_TEXT, published_of
from lmbench.report.section import sections


def shown(record: Record) -> str:
    return sections.make("published").html(record) or ""


def with_card(record: Record, **facts: object) -> Record:
    card = record.card.model_copy(update={"corpus_card": record.card.corpus_card | facts})
    return record.model_copy(update={"card": card})


def test_a_plain_run_on_english_draws_what_is_known_of_english(small_run: Run) -> None:
    """ "the", "on" and "a" are a quarter of the words of its text."""
    record = small_run.record
    assert [heading for heading, _ in published_of(record)] == [ELSEWHERE]
    assert "Shannon 1951 0.6 – 1.3" in shown(record)
    page = (small_run.folder / "report.html").read_text(encoding="utf-8")
    assert "Shannon 1951" in page
    german = with_card(record, english_function_words=0.01)
    assert published_of(german) == []
    assert shown(german) == ""
    words = record.model_copy(update={"card": record.card.model_copy(update={"lossless": False})})
    assert shown(words) == ""  # nothing in bits per character to hold them against


def test_a_text_that_a_manifest_knows_is_known_by_its_content(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_text.read_bytes()
    known = Manifest(
        name="k", description="d", language="l", source="http://nowhere", licence="l", bytes=len(data),
        hash=hashlib.sha256(data).hexdigest(),
        published=(Known(model="a net", value=1.0, unit="nats/character", source="somebody", about="crops"),),
    )  # fmt: skip
    monkeypatch.setattr(manifest, "corpora", lambda: [known])
    assert open_source(str(small_text), lines=False, cache=tmp_path).card["published"][0]["model"] == "a net"
    plan = Plan(source=str(small_text), tokenizer="byte", models=["uniform"], estimators=[], device="cpu", out=tmp_path)
    record = run(plan).record
    heading, [found] = published_of(record)[0]
    assert heading == OF_THIS_TEXT
    assert found.low == found.high == pytest.approx(1 / math.log(2))
    assert "a net (somebody) 1.443 (1 nats/character, crops)" in shown(record)
    other = tmp_path / "other.txt"
    other.write_bytes(data[:-1] + b" ")
    assert "published" not in open_source(str(other), lines=False, cache=tmp_path).card


def test_what_a_stranger_publishes_is_text_or_nothing(small_run: Run) -> None:
    good = {"model": "<b>$x_", "value": 2.0, "unit": "bits/byte", "source": "<i>", "about": "\x1b[31m"}
    wrong: list[object] = [
        None, 3, [], {}, good | {"value": True}, good | {"value": -1.0}, good | {"value": 1e30}, good | {"value": "2"},
        good | {"unit": "words"}, good | {"value": None},
    ]  # fmt: skip
    record = with_card(small_run.record, published=[*wrong, good], english_function_words=0.0)
    [(_, [found])] = published_of(record)
    test = record.card.test
    assert found.low == pytest.approx(2.0 * test.bytes / test.characters)
    assert "&lt;b&gt;$x_ (&lt;i&gt;)" in shown(record)
    assert sections.make("ranking").figure(record) is not None
    assert published_of(with_card(record, published="x")) == []
