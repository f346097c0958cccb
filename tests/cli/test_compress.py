"""`lmbench compress`, `decompress` and `run --verify`: every byte back in the bits that are reported, or a line."""

from __future__ import annotations

import json
import math
import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
import torch
from commands import lmbench

from lmbench import store
from lmbench.codec.container import LONGEST, read
from lmbench.codec.container import packed as write
from lmbench.pipeline import Plan, Run, proof, run
from lmbench.pipeline.compressing import Codec

pytest.importorskip("constriction", reason="pip install 'lmbench[codec]'")

NET = "layers=1, width=16, context=16"
MODELS = [
    "ngram(order=3)", f"transformer({NET}, heads=2)", "ngram(order=3, smoothing=maximum_likelihood)",
    "ngram(order=3, smoothing=stupid_backoff)",
]  # fmt: skip
CODABLE = MODELS[:-2]
WORDS = ["the", "queen", "said", "né", "猫である", "off", "with", "her", "head", "a", "mat"]


def words(seed: int, count: int) -> str:
    drawn = random.Random(seed)
    return " ".join(drawn.choice(WORDS) for _ in range(count))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of characters, all of whose rows were verified."""
    home = tmp_path_factory.mktemp("known")
    (home / "text.txt").write_text(words(1, 800), encoding="utf-8")
    plan = Plan(
        source=str(home / "text.txt"), tokenizer="char", models=MODELS, estimators=[], device="cpu", train_tokens=500,
        out=home / "results", verify=True,
    )  # fmt: skip
    before, proof.SLICE = proof.SLICE, 50
    try:
        return run(plan)
    finally:
        proof.SLICE = before


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of bytes, each line a document, with a model that remembers earlier ones."""
    home = tmp_path_factory.mktemp("lines")
    (home / "text.txt").write_text("\n".join(words(seed, 8) for seed in range(90)) + "\n", encoding="utf-8")
    plan = Plan(
        source=str(home / "text.txt"), tokenizer="byte", lines=True, models=["cache(model=ngram(order=3))"],
        estimators=[], device="cpu", out=home / "results",
    )  # fmt: skip
    return run(plan)


FILES = {
    "text": words(2, 12).encode(),
    "every byte": bytes(range(256)),
    "empty": b"",
    "random": random.Random(3).randbytes(100),
    "Japanese": "吾輩は猫である。名前はまだ無い。\n".encode(),
    "lines": b"the queen\n\nsaid\r\noff\n",
    "no end": b"the queen\nsaid",
}


def there_and_back(done: Run, model: str, content: bytes, folder: Path) -> dict[str, float]:
    source, packed, back = folder / "in", folder / "in.lmz", folder / "out"
    source.write_bytes(content)
    made = lmbench("compress", done.folder, source, "--model", model, "-o", packed, "--json", "-q", "--no-check")
    assert made.exit_code == 0, made.output
    opened = lmbench("decompress", done.folder, packed, "-o", back, "-q")
    assert opened.exit_code == 0, opened.output
    assert back.read_bytes() == content
    found: dict[str, float] = json.loads(made.stdout)
    assert found["size"] == packed.stat().st_size
    assert 8 * len(read(packed)[1]) == found["payload_bits"]
    assert abs(found["payload_bits"] - found["code_length"]) <= 0.001 * found["code_length"] + 64
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_file_comes_back_in_the_bits_that_are_reported(name: str, known: Run, lines: Run, tmp_path: Path) -> None:
    there_and_back(known, "ngram(order=3)", FILES[name], tmp_path)
    there_and_back(lines, "cache", FILES[name], tmp_path)


@pytest.mark.parametrize("model", CODABLE)
def test_counts_and_nets_can_code(model: str, known: Run, tmp_path: Path) -> None:
    there_and_back(known, model, FILES["text"] + b"\xff", tmp_path)


@pytest.mark.parametrize("kind", ["document", "lines"])
def test_the_code_length_is_what_score_says(kind: str, known: Run, lines: Run, tmp_path: Path) -> None:
    done, model = (known, "ngram(order=3)") if kind == "document" else (lines, "cache")
    found = there_and_back(done, model, FILES["text"] + b"\n" + FILES["Japanese"], tmp_path)
    scored = lmbench("score", done.folder, tmp_path / "in", "--model", model, "--format", "jsonl", "-q")
    assert json.loads(scored.stdout)["nats"] / math.log(2) == pytest.approx(found["code_length"], rel=1e-9)


def test_what_cannot_be_coded_is_refused(known: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"zebra")
    for model, reason in (("maximum_likelihood", "has no code"), ("stupid_backoff", "a score and no distribution")):
        done = lmbench("compress", known.folder, source, "--model", model, "-q")
        assert done.exit_code in (1, 2)
        assert reason in done.output
        assert done.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == [source]


def test_the_number_of_threads_changes_nothing(known: Run, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(FILES["text"])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            options = ["--model", "transformer", "-o", tmp_path / f"{threads}.lmz", "-q", "--no-check"]
            assert lmbench("compress", known.folder, tmp_path / "in", *options).exit_code == 0
        assert (tmp_path / "1.lmz").read_bytes() == (tmp_path / "2.lmz").read_bytes()
        assert lmbench("decompress", known.folder, tmp_path / "1.lmz", "-o", tmp_path / "out", "-q").exit_code == 0
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "out").read_bytes() == FILES["text"]


@pytest.fixture
def packed(known: Run, tmp_path: Path) -> Path:
    (tmp_path / "in").write_bytes(FILES["text"])
    path = tmp_path / "in.lmz"
    done = lmbench("compress", known.folder, tmp_path / "in", "--model", "ngram(order=3)", "-o", path)
    assert done.exit_code == 0, done.output
    assert "payload" in done.stdout
    return path


def refused(done: Run, path: Path, *options: str) -> str:
    target = path.with_name("out")
    said = lmbench("decompress", done.folder, path, "-o", target, "-q", *options)
    assert said.exit_code == 1
    assert not target.exists()
    assert said.output.count("\n") == 1
    return said.output


def test_damage_and_another_model_are_named(packed: Path, known: Run, lines: Run) -> None:
    content = bytearray(packed.read_bytes())
    assert "which is no model of" in refused(lines, packed)
    packed.write_bytes(content[:-4])
    assert "cut off" in refused(known, packed)
    content[-3] ^= 4
    packed.write_bytes(content)
    assert "damaged" in refused(known, packed)


def test_a_made_up_file_is_stopped_where_its_payload_ends(packed: Path, known: Run) -> None:
    header, payload = read(packed)
    content = header.content.model_copy(update={"bytes": LONGEST, "tokens": LONGEST})
    packed.write_bytes(write(header.model_copy(update={"content": content}), payload))
    tracemalloc.start()
    try:
        assert "fewer bits than its tokens would take" in refused(known, packed)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_model_that_was_fitted_otherwise_is_another(packed: Path, known: Run, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(known.folder, folder)
    other = Run(folder, known.record)
    row = store.find_row(known.record, "ngram(order=3)")
    path = store.folder_of(folder, row) / "ngrams.safetensors"
    content = bytearray(path.read_bytes())
    path.unlink()
    content[-9] ^= 1
    path.write_bytes(content)
    assert "which is no model of" in refused(other, packed)


def test_another_machine_is_refused_and_tried_only_where_asked(
    packed: Path, known: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "abacus")
    said = refused(known, packed)
    assert "here abacus" in said
    assert "not guaranteed" in said
    target = packed.with_name("out")
    assert lmbench("decompress", known.folder, packed, "-o", target, "-q", "--anyway").exit_code == 0
    assert target.read_bytes() == FILES["text"]
    target.unlink()
    # a machine whose sums come out otherwise: its model is not quite this one
    from lmbench.generation.following import Following

    asked = Following.log_probs
    monkeypatch.setattr(Following, "log_probs", lambda self: asked(self)[::-1])
    assert "other probabilities here" in refused(known, packed, "--anyway")


def test_what_is_not_what_was_compressed_is_never_written(
    packed: Path, known: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Codec, "_content", lambda self, *rest: FILES["text"].replace(b"e", b"a"))
    assert "what came out is not what was compressed" in refused(known, packed)


def test_no_file_is_overwritten_unasked(packed: Path, known: Run) -> None:
    done = lmbench("decompress", known.folder, packed, "-q")
    assert done.exit_code == 2
    assert "is there already" in done.output
    assert "is the file to compress" in lmbench("compress", known.folder, packed, "-o", packed, "-q").output


def test_every_row_is_verified_or_says_why_not(known: Run) -> None:
    record = store.read_record(known.folder)
    for row in record.rows:
        if row.model in CODABLE:
            assert row.verified is not None, row.notes
            assert row.verified.tokens == 50
            assert abs(row.verified.payload_bits - row.verified.code_length_bits) <= 64 + (
                0.001 * row.verified.code_length_bits
            )
        else:
            assert row.verified is None
            assert any(note.startswith("not verified: ") for note in row.notes)
    said = lmbench("report", known.folder).output
    assert "verified" in said
    assert sum("  yes  " in line for line in said.splitlines()) == len(CODABLE)


def test_a_figure_that_is_not_the_models_is_not_verified(known: Run, tmp_path: Path) -> None:
    from lmbench.pipeline.opened import scored_tokens_of
    from lmbench.pipeline.proof import with_proof
    from lmbench.progress import Silent

    folder = tmp_path / "copy"
    shutil.copytree(known.folder, folder)
    row = store.find_row(known.record, "ngram(order=3)").model_copy(update={"verified": None, "notes": [], "files": {}})
    scores = store.read_log_probs(folder, row)
    store.write_array(store.folder_of(folder, row) / "log_probs.npy", 0.3 * scores)
    found = with_proof(folder, row, scored_tokens_of(folder, known.record.card), Silent())
    assert found.verified is None
    assert "reported are" in found.notes[0]


def test_words_are_verified_by_what_the_model_predicts(tmp_path: Path) -> None:
    """What their spelling and the white space cost is in the figure of the row, and no matter of its model."""
    (tmp_path / "text.txt").write_text("\n".join(words(seed, 8) for seed in range(90)) + "\n", encoding="utf-8")
    plan = Plan(
        source=str(tmp_path / "text.txt"), tokenizer="word(vocabulary=6, unknown=spell)", models=["ngram(order=2)"],
        estimators=[], device="cpu", out=tmp_path / "results", verify=True,
    )  # fmt: skip
    [row] = run(plan).record.rows
    assert row.verified is not None, row.notes
    assert row.nats_per_token is not None
    per_token = row.verified.code_length_bits / row.verified.tokens
    assert per_token < row.nats_per_token / math.log(2)


def test_verify_belongs_to_the_static_protocol(tmp_path: Path) -> None:
    done = lmbench("run", "iid", "--verify", "--protocol", "prequential", "--out", tmp_path)
    assert done.exit_code == 2
    assert "--verify" in done.output
