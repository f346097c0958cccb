"""Where one model of a run is better than another: what training holds, places asked, wins and losses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import lmbench
from small_texts import alphabet

from lmbench import pipeline
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.pipeline import Run
from lmbench.pipeline.comparison import contestants
from lmbench.pipeline.where import matches, two_of, where
from lmbench.progress import Silent
from lmbench.tokens import tokens_of


def test_matches_by_hand() -> None:
    """Training "abcab"; before the tokens of "cabd" it holds: the beginning, c, ca, cab (followed by the end)."""
    letters = alphabet(4)
    index = SuffixIndex.build(tokens_of([[0, 1, 2, 0, 1]], letters), Silent())
    found, copied = matches(tokens_of([[2, 0, 1, 3]], letters), index)
    assert found.tolist() == [1, 1, 2, 3, 0]
    assert not copied.any()


def test_a_passage_of_training_is_found_token_for_token() -> None:
    letters = alphabet(4)
    passage = np.random.default_rng(0).integers(0, 3, 40).tolist()
    index = SuffixIndex.build(tokens_of([passage], letters), Silent())
    _, copied = matches(tokens_of([[3, *passage[5:35], 3]], letters), index)
    assert copied.tolist() == [False, *[True] * 30, False, False]


def test_groups_add_up_to_the_whole(small_run: Run) -> None:
    found, _ = contestants([small_run.folder])
    first, second = two_of(found, named=False)
    made = where(first, second, Silent(), places=40, moments=2)
    assert made.models == ("ngram(order=3)", "uniform")
    for part in made.breakdowns:
        assert sum(group.tokens for group in part.groups) == len(first.tokens)
        for place, nats in enumerate(made.nats):
            assert sum(group.share * group.nats[place] for group in part.groups) == pytest.approx(nats)
    assert made.nats[0] == pytest.approx(first.row.nats_per_token)
    uniform = made.calibrations["uniform"]
    assert uniform.bins[0].confidence == pytest.approx(1 / small_run.record.card.vocabulary)
    assert made.calibrations["ngram(order=3)"].first > 3 * uniform.first
    gaps = first.log_probs - second.log_probs
    assert made.wins[0].nats[1] - made.wins[0].nats[0] == pytest.approx(gaps.max())
    assert made.losses[0].nats[1] - made.losses[0].nats[0] == pytest.approx(gaps.min())
    assert made.blend.gain >= -1e-3


def test_places_are_asked_as_the_text_was_scored(small_run: Run) -> None:
    """At every place: how often the most probable token came, from the model asked here by hand."""
    found, _ = contestants([small_run.folder])
    first, second = two_of(found, named=False)
    made = where(first, second, Silent(), places=len(first.tokens), moments=0).calibrations[first.name]
    model = pipeline.load_model(first.folder, first.row)
    [start] = first.tokens.documents.tolist()
    assert start == 0
    ids = np.asarray(first.tokens.ids)
    right = [int(ids[at]) == int(np.argmax(model.next_log_probs(ids[:at]))) for at in range(len(ids))]
    assert made.places == len(ids)
    assert made.first == pytest.approx(np.mean(right))


def test_the_record_has_what_needs_no_index(small_run: Run) -> None:
    kept = small_run.record.where
    assert kept is not None
    found, _ = contestants([small_run.folder])
    made = where(*two_of(found, named=False), Silent(), places=1, moments=0)
    assert kept.models == list(made.models)
    assert [part.by for part in kept.breakdowns] == [part.by for part in made.breakdowns[-3:]]
    for one, other in zip(kept.breakdowns, made.breakdowns[-3:], strict=True):
        if one.by != "times in training":  # the index counts an end of text before the first document too
            assert [group.nats for group in one.groups] == [list(group.nats) for group in other.groups]
    assert kept.gain == made.blend.gain


def test_on_the_command_line(small_run: Run) -> None:
    words = ("compare", small_run.folder, "uniform", "ngram(order=3)", "--where", "--tokens", "2", "--places", "30")
    done = lmbench(*words, "-q")
    assert done.exit_code == 0, done.output
    for wanted in ("longest context in training", "Latin letters", "best mixture", "A wins most", "A came"):
        assert wanted in done.stdout
    report = json.loads(lmbench(*words, "--json", "-q").stdout)
    assert report["models"] == ["ngram(order=3)", "uniform"]
    assert len(report["wins"]) == 2
    refused = lmbench("compare", small_run.folder, "--where", "--unit", "byte")
    assert refused.exit_code == 2
    assert "leave --unit byte out" in refused.stderr
