"""`lmbench entropy`: the panel, beside a run's models and alone, its files, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench.errors import LmbenchError, UsageError
from lmbench.pipeline import Plan, Run
from lmbench.pipeline.entropy import PANEL, entropy_panel, panel_specs
from lmbench.record import Record, Shannon, ShannonPoint
from lmbench.report.published import looks_english
from lmbench.report.section.entropy_panel import EntropyPanel, panel_lines
from lmbench.spec import parse


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = np.array(["the", "of", "queen", "to", "said", "and", "mat", "a", "cat", "hat"])
    path = tmp_path_factory.mktemp("text") / "english.txt"
    path.write_text(" ".join(words[np.random.default_rng(3).integers(0, 10, 2000)]) + "\n", encoding="utf-8")
    return path


def test_a_table_a_page_and_a_record(english: Path, tmp_path: Path) -> None:
    done = lmbench(
        "entropy", english, "--estimator", "block", "--estimator", "zlib", "--estimator", "zlib(code=primed)",
        "--out", tmp_path, "-q",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "bits/char" in done.stdout
    assert "zlib after the training text" in done.stdout
    assert "Shannon 1951 0.6 – 1.3" in done.stdout
    assert "code lengths are those of this very text" in done.stdout
    [folder] = tmp_path.iterdir()
    record = Record.model_validate_json((folder / PANEL).read_bytes())
    assert [entropy.kind for entropy in record.entropy] == ["estimate", "upper bound", "upper bound"]
    page = (folder / "entropy.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert re.search(r"<th[^>]*>H_n</th><th[^>]*>F_n</th><th[^>]*>coverage</th>", page)
    assert page.count("<td>too long for this text</td>") == record.entropy[0].curve["reliable"].count(False)  # type: ignore[union-attr, arg-type]
    assert "Cover &amp; King 1978" in page
    assert (folder / "entropy-entropy_panel.png").read_bytes()[:4] == b"\x89PNG"


def test_no_line_is_wider_than_the_terminal(english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (80, 100, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        done = lmbench(
            "entropy",
            english,
            "--estimator",
            "block(order=2)",
            "--estimator",
            "zstd(code=primed)",
            "--out",
            tmp_path,
            "-q",
        )
        assert max(map(len, done.stdout.splitlines())) <= width
        assert "95 %, bits/char" in done.stdout


def test_published_figures_only_beside_english(small_text: Path, tmp_path: Path) -> None:
    plan = Plan(source=str(small_text), models=(), tokenizer="char", estimators=["zlib"], device="cpu", out=tmp_path)
    panel = entropy_panel(plan)
    assert looks_english(panel.record)  # "the", "on" and "a" are a quarter of its words
    card = panel.record.card
    german = panel.record.model_copy(
        update={"card": card.model_copy(update={"corpus_card": card.corpus_card | {"english_function_words": 0.01}})}
    )
    assert not looks_english(german)
    assert "Shannon" not in (EntropyPanel().html(german) or "")


def test_a_runs_models_stand_on_the_same_axis(small_run: Run, tmp_path: Path) -> None:
    done = lmbench("entropy", "--run", small_run.folder, "--estimator", "lz78", "--json", "-q")
    assert done.exit_code == 0, done.output
    record = Record.model_validate_json(done.stdout)
    assert record.rows == small_run.record.rows
    assert [entropy.estimator for entropy in record.entropy] == ["LZ78 (char)"]
    assert record.card.test == small_run.record.card.test
    table = (EntropyPanel().html(record) or "").replace("<wbr>", "")
    assert table.index("ngram(order=3)") < table.index("uniform")
    assert json.loads((small_run.folder / "record.json").read_text())["entropy"]  # the run itself is as it was


def test_options_about_the_text_cannot_stand_beside_a_run(small_run: Run) -> None:
    done = lmbench("entropy", "--run", small_run.folder, "--lines")
    assert done.exit_code == 2
    assert "--lines cannot stand beside --run: the text is the run's own" in done.stderr
    done = lmbench("entropy", "x.txt", "--calibrate")
    assert "SOURCE cannot stand beside --calibrate" in done.stderr


def test_units_reach_those_that_have_a_choice() -> None:
    specs = [str(spec) for spec in panel_specs(["block", "lz78(unit=byte)", "zlib"], "word")]
    assert specs == ["block(unit=word)", "lz78(unit=byte)", "zlib"]
    with pytest.raises(UsageError, match="--unit word: none of the estimators has a choice of unit: zlib"):
        panel_specs(["zlib"], "word")


def test_every_estimator_is_in_the_default_panel() -> None:
    from lmbench.entropy import estimators

    found = panel_specs((), None)
    assert {spec.name for spec in found} == set(estimators.names)
    assert {"zlib(code=primed)", "zstd(code=primed)"} <= set(map(str, found))


def test_what_is_not_installed_is_one_line(english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmbench.pipeline.entropy.find_spec", lambda name: None)
    plan = Plan(
        source=str(english), models=(), tokenizer="char", estimators=["ppm", "zlib"], device="cpu", out=tmp_path
    )
    panel = entropy_panel(plan)
    assert [failure.spec for failure in panel.record.failures] == ["ppm"]
    assert "-m pip install" in panel.record.failures[0].message
    assert [entropy.estimator for entropy in panel.record.entropy] == ["zlib"]


def test_a_unit_that_the_text_does_not_have_leaves_nothing_behind(tmp_path: Path) -> None:
    text = tmp_path / "kokoro.txt"
    text.write_text("私はその人を常に先生と呼んでいた。\n" * 60, encoding="utf-8")
    done = lmbench(
        "entropy", text, "--unit", "word", "--estimator", "block", "--estimator", "lz78", "--out", tmp_path / "r"
    )
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: block(unit=word), lz78(unit=word): this text has no unit word:"
    )
    assert not (tmp_path / "r").exists()


def test_a_unit_alone_is_no_complaint_about_estimators_that_nobody_chose(
    english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmbench.pipeline.entropy._default", lambda: [parse("block"), parse("extrapolation(of=block)")])
    text = tmp_path / "period.txt"
    text.write_text("ab" * 3000, encoding="utf-8")  # nothing to extrapolate
    for unit, code in (("char", 0), ("word", 1)):
        done = lmbench("entropy", text, "--unit", unit, "--out", tmp_path / unit, "-q")
        assert done.exit_code == code, done.output
    done = lmbench("entropy", text, "--estimator", "extrapolation(of=block)", "--estimator", "zlib", "--out", tmp_path)
    assert done.exit_code == 1


@pytest.mark.parametrize("text", ["a", "ab"])
def test_a_text_too_short_to_be_cut_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text(text, encoding="utf-8")
    done = lmbench("entropy", path, "--out", tmp_path / "r", "-q")
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_calibration_is_printed_and_written(tmp_path: Path) -> None:
    done = lmbench(
        "entropy", "--calibrate", "--estimator", "lz78", "--sizes", "50,100", "--samples", "2", "--out", tmp_path, "-q"
    )
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))["rows"]
    assert {(row["size"], row["samples"]) for row in rows} == {(50, 2), (100, 2)}
    assert "## `lz78`" in (tmp_path / "calibration.md").read_text(encoding="utf-8")
    assert "markov(order=2)" in done.stdout
    done = lmbench("entropy", "--calibrate", "--sizes", "1k", "--out", tmp_path)
    assert done.exit_code == 2
    assert "--sizes '1k' must be whole numbers" in done.stderr


def test_a_text_that_changed_since_the_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be " * 60, encoding="utf-8")
    from lmbench.pipeline import run

    plan = Plan(str(path), models=["uniform"], tokenizer="byte", estimators=(), device="cpu", out=tmp_path / "runs")
    done = run(plan)
    path.write_text("that is the question " * 60, encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"test text, train text.* changed since the run"):
        entropy_panel(Plan(models=(), estimators=["zlib"]), done.folder)


def test_bounds_of_a_game_that_a_model_played_stand_in_the_panel(small_run: Run) -> None:
    point = ShannonPoint(
        context=5,
        lower=0.5,
        upper=1.5,
        ci95_lower=(0.4, 0.6),
        ci95_upper=None,
        cross_entropy=1.0,
        first=0.5,
        guesses=2.0,
    )
    game = Shannon(
        model="ngram(order=3)", alphabet=257, positions=100, characters_per_token=0.5, points=[point], notes=[]
    )
    weak = game.model_copy(update={"model": "weak", "points": [point.model_copy(update={"cross_entropy": 1.4})]})
    full = small_run.record.model_copy(update={"shannon": [weak, game]})
    record = full.model_copy(update={"rows": [], "entropy": []})
    lines = {line.kind: line for line in panel_lines(record) if line.name == "ranks of ngram(order=3), 5 known"}
    test = record.card.test
    assert lines["lower bound"].bits_per_character == pytest.approx(1.0)
    assert lines["lower bound"].bits_per_byte == pytest.approx(test.characters / test.bytes)
    assert lines["lower bound"].low == pytest.approx(0.8 * test.characters / test.bytes)
    assert lines["upper bound"].bits_per_character == pytest.approx(3.0)
    # of the weaker player's bounds only the upper one is shown, and no lower bound above a cross-entropy
    assert [line.kind for line in panel_lines(record) if "weak" in line.name] == ["upper bound"]
    assert min(row.bits_per_character for row in full.rows if row.bits_per_character) < 1.0
    assert "lower bound" not in {line.kind for line in panel_lines(full)}
    figure = EntropyPanel().figure(record)
    assert figure is not None  # shares of ranks make no code, and so no floor
    assert "lowest upper bound" not in {text.get_text() for text in figure.axes[0].texts}
    assert EntropyPanel().figure(full) is not None
