"""What the page is made of: the first sentence, the frontier, the passage and its colours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lmbench.model.base import distributions, next_log_probs
from lmbench.pipeline import Plan, Run, load_model, run, scored_tokens_of
from lmbench.pipeline.passage import material_of, pieces
from lmbench.record import Behind, Row
from lmbench.report.document import data, document
from lmbench.report.finding import finding
from lmbench.report.section.cost import _apart, frontier
from lmbench.report.section.passage import level
from lmbench.tokens import Vocabulary, tokens_of


def rows(small_run: Run, *changes: dict[str, object]) -> list[Row]:
    plain = small_run.record.rows[1].model_copy(update={"bits_per_byte": None, "behind": None})
    return [plain.model_copy(update=each) for each in changes]


def counts(name: str, nats: float, behind: float | None = None) -> dict[str, object]:
    gap = None if behind is None else Behind(best="b", nats_per_token=behind, ci95=(behind - 0.1, behind + 0.1))
    return {"model": name, "nats_per_token": nats, "stored_ngrams": 9, "parameters": None, "behind": gap}


def net(name: str, nats: float, behind: float | None = None) -> dict[str, object]:
    return counts(name, nats, behind) | {"stored_ngrams": None, "parameters": 9}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [net("t", 1.0), net("l", 1.1, 0.1), counts("n5", 1.5, 0.5), counts("n3", 1.6, 0.6)],
            "t predicts this text best, at 1.000 nats per token: 0.500 nats per token below the best count-based "
            "model, n5 (95 % interval 0.400 to 0.600, paired).",
        ),
        (
            [counts("n5", 1.0), net("t", 1.05, 0.05)],
            "n5 predicts this text best, at 1.000 nats per token: 0.050 nats per token below t (95 % interval -0.050 "
            "to 0.150, paired), which leaves open which of the two is better.",
        ),
        (
            [counts("n5", 1.0)],
            "n5 predicts this text best, at 1.000 nats per token; nothing else in this run is a distribution to "
            "compare it with.",
        ),
        ([], ""),
    ],
)
def test_the_first_sentence(small_run: Run, changes: list[dict[str, object]], said: str) -> None:
    assert finding(small_run.record.model_copy(update={"rows": rows(small_run, *changes)})) == said


def test_the_frontier_has_what_nothing_beats_in_both() -> None:
    assert frontier([(4, 1), (1, 5), (3, 4), (2, 3), (2, 3.5)]) == [(1, 5), (2, 3), (4, 1)]


def test_labels_are_moved_apart_and_stay_inside() -> None:
    assert _apart([1, 1.5, 4], 1, 4) == [1, 2, 4]
    assert _apart([1, 2.5, 3], 1, 3) == [1, 2, 3]


def test_colours_go_by_bits() -> None:
    assert [level(bits * math.log(2)) for bits in (0.0, 0.49, 0.51, 7.9, 11.5)] == [0, 0, 1, 6, 8]
    assert level(None) == 8


def test_characters_stand_whole_in_the_first_token_that_has_a_part_of_them() -> None:
    raw = "né猫".encode() + b"\xff"
    vocabulary = Vocabulary((*(bytes([byte]) for byte in range(256)), b""), 256)
    found = pieces(tokens_of([list(raw)], vocabulary))
    assert found == ["n", "é", "", "猫", "", "", "\udcff", "⟨end⟩\n"]


def test_nothing_in_data_ends_its_element_and_nothing_is_lost() -> None:
    values = ["</script><!--", "a&b", "\u2028\u202e\x1b"]
    element = data(values)
    inside = element[element.index(">") + 1 : element.rindex("</script>")]
    assert not set("<>&\u2028\u202e\x1b") & set(inside)
    assert json.loads(inside) == values


def test_what_a_browser_would_obey_is_a_sign_and_layout_stays() -> None:
    page = document("t\u202e", "\x1b[1m", "<p>a\n\tb\u2066é猫</p>")
    assert "t&lt;U+202E&gt;" in page
    assert "^[[1m" in page
    assert "<p>a\n\tb&lt;U+2066&gt;é猫</p>" in page


@pytest.fixture(scope="module")
def trained(small_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = ["ngram(order=3)", "transformer(layers=1, width=16, context=16, steps=3)", "lstm(width=8, steps=2)"]
    plan = Plan(source=str(small_text), tokenizer="byte", models=models, estimators=[], device="cpu",
                out=tmp_path_factory.mktemp("trained"))  # fmt: skip
    return run(plan)


def test_distributions_are_those_of_one_token_at_a_time_and_give_the_scores_of_the_run(trained: Run) -> None:
    tokens = scored_tokens_of(trained.folder, trained.record.card).head(70)
    for row in trained.record.rows:
        model = load_model(trained.folder, row)
        found = np.concatenate(list(distributions(model, tokens)))
        assert found.shape == (70, len(tokens.vocabulary))
        scores = np.load(trained.folder / row.folder / "log_probs.npy")[:70]
        assert found[np.arange(70), tokens.ids] == pytest.approx(scores, abs=1e-4)
        for place in (0, 1, 20, 69):
            alone = next_log_probs(model, tokens.ids[:0], tokens.ids[:place])
            assert found[place] == pytest.approx(alone, abs=1e-4)


def test_a_passage_has_the_scores_of_the_run_its_choices_and_texts(trained: Run) -> None:
    material = material_of(trained.folder, trained.record, 3600.0, 50)
    assert len(material.tokens) == 50
    assert material.voices[0].model == "ngram(order=3)"  # the best first
    for voice in material.voices:
        assert [len(voice.nats), len(voice.choices), voice.said] == [50, 50, ""]
        assert voice.sample
        for place, choices in enumerate(voice.choices):
            shares = [share for _, share in choices]
            assert shares == sorted(shares, reverse=True)
            assert len(shares) == 8
            nats = voice.nats[place]
            assert nats is not None
            own = dict(choices).get(material.ids[place])
            assert own is None or own == pytest.approx(math.exp(-nats), rel=1e-3)
            assert own is not None or math.exp(-nats) <= shares[-1] + 1e-6


def test_without_time_a_passage_has_its_scores_and_says_so(trained: Run) -> None:
    material = material_of(trained.folder, trained.record, 0.0, 50)
    assert {(len(voice.nats), len(voice.choices), voice.sample) for voice in material.voices} == {(50, 0, None)}
    assert {voice.said for voice in material.voices} == {"there was no time left to ask it"}


def test_a_damaged_model_is_named_and_the_others_stay(trained: Run, small_run: Run) -> None:
    row = small_run.record.rows[1]
    path = small_run.folder / row.folder / "ngram.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    try:
        material = material_of(small_run.folder, small_run.record, 3600.0, 30)
    finally:
        path.write_bytes(whole)
    said = {voice.model: voice.said for voice in material.voices}
    assert "ngram.json" in said[row.model]
    assert said["uniform"] == ""
