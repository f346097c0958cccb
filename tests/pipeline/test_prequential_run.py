"""`--protocol prequential`: models code the whole text, and so do the compressors beside them."""

from __future__ import annotations

import bz2
import math
from pathlib import Path

import pytest

from lmbench import pipeline, store
from lmbench.errors import UsageError
from lmbench.pipeline import Plan, Run
from lmbench.report.section.card import card_lines


@pytest.fixture(scope="module")
def run(small_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(
        source=str(small_text), tokenizer="byte", estimators=["bz2"], device="cpu", protocol="prequential",
        models=["uniform", "ngram(order=3)", "ngram(order=3, smoothing=stupid_backoff)"],
        out=tmp_path_factory.mktemp("results"),
    )  # fmt: skip
    return pipeline.run(plan)


def test_code_lengths_stand_among_the_bounds_and_not_among_the_rows(run: Run, small_text: Path) -> None:
    record = run.record
    assert record.rows == []
    uniform, ngram, compressed = record.entropy
    card, whole = record.card, small_text.stat().st_size
    tokens = card.train.tokens + card.valid.tokens + card.test.tokens
    assert uniform.curve["total_bits"] == pytest.approx(tokens * math.log2(257))
    assert uniform.bits_per_byte == pytest.approx(tokens * math.log2(257) / whole)
    assert {uniform.kind, ngram.kind} == {"upper bound"}
    assert ngram.estimator == "ngram(order=3), prequential"
    assert sum(ngram.curve["block_bits"]) == pytest.approx(ngram.curve["total_bits"])  # type: ignore[arg-type]
    assert ngram.curve["block_ends"][-1] == tokens  # type: ignore[index, call-overload]
    assert ngram.bits_per_byte < uniform.bits_per_byte  # type: ignore[operator]
    assert compressed.bits_per_byte == 8 * len(bz2.compress(small_text.read_bytes())) / whole
    assert dict(card_lines(record))["protocol"].startswith("prequential")


def test_a_score_that_is_no_distribution_has_no_code(run: Run) -> None:
    [failure] = run.record.failures
    assert "no distribution" in failure.message


def test_a_run_that_was_interrupted_keeps_its_code_lengths(run: Run) -> None:
    kept = run.record.entropy[:1]
    interrupted = run.record.model_copy(update={"status": "interrupted", "entropy": kept, "failures": []})
    store.write_record(run.folder, interrupted)
    again = pipeline.resume(run.folder).record
    assert again.entropy[0].seconds == kept[0].seconds  # not computed again
    assert [entropy.estimator for entropy in again.entropy] == [entropy.estimator for entropy in run.record.entropy]
    assert again.entropy[1].bits_per_byte == run.record.entropy[1].bits_per_byte


def test_blocks_belong_to_the_protocol() -> None:
    with pytest.raises(UsageError, match="--protocol prequential"):
        Plan(blocks=4).specs()
    with pytest.raises(UsageError, match="1 or more"):
        Plan(blocks=0, protocol="prequential").specs()


def test_the_report_draws_the_code_block_by_block(run: Run) -> None:
    from lmbench.report.section.code_length import CodeLength

    figure = CodeLength().figure(run.record)
    assert figure is not None
    [plot] = figure.axes
    drawn = [line for line in plot.lines if line.get_marker() == "o"]
    ngram = run.record.entropy[1].curve
    assert [line.get_label() for line in drawn] == ["uniform, prequential", "ngram(order=3), prequential"]
    assert list(drawn[0].get_ydata()) == pytest.approx([math.log2(257)] * len(drawn[0].get_ydata()))
    assert list(drawn[1].get_xdata()) == ngram["block_ends"]
    assert CodeLength().figure(run.record.model_copy(update={"entropy": run.record.entropy[2:]})) is None
    assert (run.folder / "report-code_length.png").exists()


def test_the_vocabulary_is_part_of_the_code(small_text: Path, tmp_path: Path) -> None:
    from lmbench.pipeline.prequential import vocabulary_bits
    from lmbench.tokens import Vocabulary

    two = Vocabulary((b"a", b"b", b""), 2)
    assert vocabulary_bits("byte", two) == vocabulary_bits("pretrained", two) == 0
    assert vocabulary_bits("char", two) == pytest.approx(math.log2(0x110000) + math.log2(math.comb(0x110000, 2)))
    assert vocabulary_bits("word", two) == 2 * 8 * 2
    merged = Vocabulary((*(bytes([value]) for value in range(256)), b"ab", b"abc", b""), 258)
    assert vocabulary_bits("bpe", merged) == pytest.approx(2 * 2 * math.log2(259))
    plan = Plan(
        source=str(small_text), tokenizer="char", estimators=[], device="cpu", protocol="prequential",
        models=["uniform"], out=tmp_path,
    )  # fmt: skip
    [code] = pipeline.run(plan).record.entropy
    told = code.curve["vocabulary_bits"]
    assert told > 100  # type: ignore[operator]
    assert code.curve["total_bits"] == pytest.approx(sum(code.curve["block_bits"]) + told)  # type: ignore[arg-type, operator]
    assert "tell the tokens" in code.note
