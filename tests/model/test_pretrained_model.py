from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import lmbench
from small_texts import byte_alphabet
from tiny_models import tiny

from lmbench import machine
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._hub import load_tokenizer, untrained
from lmbench.model.pretrained import Pretrained
from lmbench.pipeline import Plan, load_model, run
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, Vocabulary, tokens_of

BYTES, LINES = byte_alphabet(), byte_alphabet(b"\n")
DOCUMENTS = ["abc a face fed", "", "café 日本語\n\n  <|endoftext|></s> zz", " a" * 40]
KINDS = ["gpt2", "llama"]


def in_bytes(documents: list[str], vocabulary: Vocabulary = BYTES) -> Tokens:
    return tokens_of([list(document.encode()) for document in documents], vocabulary)


TRAIN = in_bytes(["a bad cab face deaf gag " * 12, "the bee fed a cafe"])
VALID = in_bytes(["a cab fed a bee", "a face"])


def fitted(spec: str, train: Tokens = TRAIN, **runtime: Any) -> Pretrained:
    model: Pretrained = models.make(spec, runtime=Runtime(**runtime))
    return model.fit(train, VALID, Silent())


def copied(tmp_path: Path) -> Path:
    """A copy of the tiny model, to be spoilt."""
    return Path(shutil.copytree(tiny("gpt2"), tmp_path / "model"))


def altered(tmp_path: Path, **weights: Any) -> Path:
    """A copy in which weights are replaced, or left out where they are None."""
    from safetensors.torch import load_file, save_file

    folder = copied(tmp_path)
    path = folder / "model.safetensors"
    tensors = load_file(path) | weights
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path, {"format": "pt"})
    return folder


def by_transformers(folder: str, document: str, newline_ends: bool = False) -> float:
    """ln p of a document of one window, by the library alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(document, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ids = [tokenizer.bos_token_id, *ids, *([] if newline_ends else [tokenizer.eos_token_id])]
    with torch.no_grad():
        log_probs = model(torch.tensor([ids])).logits.double().log_softmax(-1)[0]
    return float(sum(log_probs[at, ids[at + 1]] for at in range(len(ids) - 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_of_a_document_is_that_of_the_library_itself(kind: str) -> None:
    folder = tiny(kind)
    model = fitted(f"pretrained('{folder}')")
    for document in ("abc a face", "", "é 日", " a"):
        tokens = in_bytes([document])
        assert model.log_probs(tokens).sum() == pytest.approx(by_transformers(folder, document), abs=1e-4)
    line = fitted(f"pretrained('{folder}')").log_probs(in_bytes(["abc a"], LINES))
    assert line.sum() == pytest.approx(by_transformers(folder, "abc a\n", newline_ends=True), abs=1e-4)


def test_models_that_bound_their_logits_and_models_that_do_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gemma 2 bounds them, which is known; where something else is done the logits are taken as they come."""
    tokens = in_bytes(["abc a face"])
    model = fitted(f"pretrained('{tiny('gemma2')}')")
    assert not model.net.whole
    bounded = model.log_probs(tokens)
    assert bounded.sum() == pytest.approx(by_transformers(tiny("gemma2"), "abc a face"), abs=1e-4)
    monkeypatch.setattr("lmbench.model._causal.Causal._from_hidden", lambda self, hidden: hidden[..., :1])
    strange = fitted(f"pretrained('{tiny('gemma2')}')")
    assert strange.net.whole
    assert strange.log_probs(tokens) == pytest.approx(bounded, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_totals_do_not_depend_on_how_the_run_cuts_the_text(kind: str) -> None:
    """The same documents in bytes and in tokens of three bytes; a document alone or among others."""
    model = fitted(f"pretrained('{tiny(kind)}')")
    pieces = sorted({document.encode()[at : at + 3] for document in DOCUMENTS for at in range(0, 200, 3)} - {b""})
    vocabulary = Vocabulary((*pieces, b""), len(pieces))
    ids = [[pieces.index(d.encode()[at : at + 3]) for at in range(0, len(d.encode()), 3)] for d in DOCUMENTS]
    fine, coarse = in_bytes(DOCUMENTS), tokens_of(ids, vocabulary)
    sums = [np.add.reduceat(model.log_probs(tokens), tokens.documents) for tokens in (fine, coarse)]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6)
    alone = [model.log_probs(in_bytes([document])).sum() for document in DOCUMENTS]
    assert sums[0] == pytest.approx(np.array(alone), abs=1e-4)


def test_a_token_is_counted_where_its_last_byte_lies() -> None:
    """`bad` in pieces: whatever the merges, costs stand at their last bytes and the end of text at the end."""
    model = fitted(f"pretrained('{tiny('gpt2')}')")
    text = "a bad cab"
    encoded = model._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    assert len(encoded.ids) < len(text)  # some merge is longer than a byte
    found = np.flatnonzero(model.log_probs(in_bytes([text])))
    assert found.tolist() == [*(stop - 1 for _, stop in encoded.offsets), len(text)]


def test_the_window_slides_as_it_says() -> None:
    """GPT-2 has 16 positions: token 20 of a document is predicted from the 8 to 15 before it in its window."""
    folder = tiny("gpt2")
    model = fitted(f"pretrained('{folder}')")
    assert (model.card.context, model.card.stride) == (16, 8)
    long, changed = "b" * 5 + "c" * 40, "d" * 5 + "c" * 40
    before, after = model.log_probs(in_bytes([long])), model.log_probs(in_bytes([changed]))
    assert before[30:] == pytest.approx(after[30:], abs=1e-6)  # windows that do not see the beginning
    assert before[5:12] != pytest.approx(after[5:12], abs=1e-6)
    assert fitted(f"pretrained('{folder}', context=8, stride=2)").card.context == 8
    with pytest.raises(UsageError, match="context 17 is more than the 16 positions"):
        fitted(f"pretrained('{folder}', context=17)")


@pytest.mark.parametrize("part", ["all", "last", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_finetuning_changes_what_it_says_and_learns(kind: str, part: str, tmp_path: Path) -> None:
    if part == "lora":
        pytest.importorskip("peft")
    folder = tiny(kind)
    as_it_was = fitted(f"pretrained('{folder}')")
    model = fitted(f"pretrained('{folder}', mode=finetune, train={part}, steps=25, learning_rate=0.02)")
    old, new = as_it_was.net.model.state_dict(), model.net.model.state_dict()
    assert old.keys() == new.keys()  # LoRA has been merged
    changed = {name for name in old if not old[name].equal(new[name])}
    embeddings = {name for name in old if "wte" in name or "wpe" in name or "embed_tokens" in name}
    first = {name for name in old if ".h.0." in name or ".layers.0." in name}
    assert first
    assert bool(changed & embeddings) == (part == "all")
    assert bool(changed & first) == (part != "last")
    training = model.card.training
    assert training["best_validation"] < training["before_training"] == training["curve"][0]["valid"]
    assert training["trained_parameters"] < training["parameters"] or part == "all"
    assert {"processes", "peak_flops_per_second", "flop_utilisation", "validation"} <= training.keys()  # as a net's
    assert model.log_probs(VALID).sum() > as_it_was.log_probs(VALID).sum()
    # the unit of the curve: nats per token of the run, of the same text
    if kind == "llama":  # whose window holds all of it
        per_token = -as_it_was.log_probs(VALID).sum() / len(VALID)
        assert training["before_training"] == pytest.approx(per_token, rel=1e-4)
    json.dumps(training, allow_nan=False)
    model.save(tmp_path)
    assert sorted(path.suffix for path in (tmp_path / "weights").iterdir()).count(".safetensors") == 1


def test_where_training_only_harms_the_weights_are_those_it_began_with(tmp_path: Path) -> None:
    fitted(f"pretrained('{tiny('llama')}', mode=finetune, steps=30, learning_rate=0.02)").save(tmp_path)
    folder = tmp_path / "weights"
    noise = in_bytes([bytes(np.random.default_rng(1).integers(33, 60, 500).tolist()).decode()])
    model = fitted(f"pretrained('{folder}', mode=finetune, steps=8, learning_rate=0.5)", train=noise)
    assert any("the weights are those it began with" in note for note in model.card.notes)
    assert np.array_equal(model.log_probs(VALID), fitted(f"pretrained('{folder}')").log_probs(VALID))


def test_scratch_is_the_same_architecture_with_other_weights() -> None:
    folder = tiny("llama")
    drawn = [fitted(f"pretrained('{folder}', mode=scratch, steps=1)", seed=seed) for seed in (0, 0, 1)]
    first, same, other = (model.log_probs(VALID).sum() for model in drawn)
    assert first == same != other
    assert drawn[0].card.parameters == fitted(f"pretrained('{folder}')").card.parameters
    assert not any("what it was trained on" in note for note in drawn[0].card.notes)


@pytest.mark.parametrize("kind", KINDS)  # the output layer is the embedding's matrix, and one of its own
def test_how_fast_the_output_layer_learns_from_scratch_is_chosen_for_the_budget(kind: str) -> None:
    spec = f"pretrained('{tiny(kind)}', mode=scratch, batch=32)"
    few, many = (fitted(spec, train_tokens=tokens) for tokens in (500, 5_000))
    text = len(few._read(TRAIN).tokens)
    for model, tokens in ((few, 500), (many, 5_000)):
        assert model.card.training["head_rate"] == pytest.approx(0.7 * (text / tokens) ** 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rate_of_the_output_layer_reaches_it(kind: str) -> None:
    """At a rate of zero it stays as it was drawn; of a tied one that is the embedding too."""
    spec = f"pretrained('{tiny(kind)}', mode=scratch, steps=3, batch=32, head_rate="
    still, moved = (fitted(f"{spec}{rate})").net for rate in (0, 1))
    assert still.output is not None
    assert moved.output is not None
    drawn = untrained(tiny(kind), None, 0).get_output_embeddings().weight
    assert torch.equal(still.output.cpu(), drawn)
    assert not torch.equal(moved.output.cpu(), drawn)
    with pytest.raises(UsageError, match="head_rate belongs to mode=scratch"):
        models.make("pretrained(gpt2, mode=finetune, head_rate=1)")


def test_a_zero_shot_model_is_stored_as_a_name_and_a_hash(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    fitted(f"pretrained('{folder}')").save(home)
    assert sorted(path.name for path in home.iterdir()) == ["card.json", "config.json"]
    Pretrained.load(home)
    shutil.copyfile(Path(tiny("llama")) / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(LmbenchError, match="its weights are no longer those that were scored"):
        Pretrained.load(home)
    (home / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"config\.json: not a whole saved model"):
        Pretrained.load(home)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    import torch

    folder = copied(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(LmbenchError, match="cannot be loaded"):
        fitted(f"pretrained('{folder}')")


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "own.Mine", "AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(LmbenchError, match="cannot be loaded"):
        fitted(f"pretrained('{folder}')")
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_that_loses_text_is_refused_on_either_side(tmp_path: Path) -> None:
    model = fitted(f"pretrained('{tiny('gpt2')}')")
    words = Vocabulary((b"a", b"<unk>", b""), 2, 1, lossless=False)
    with pytest.raises(LmbenchError, match="the tokens of this run have lost some; use --tokenizer byte"):
        model.log_probs(tokens_of([[0, 1]], words))
    folder = copied(tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": {"type": "Lowercase"}}))
    lowering = fitted(f"pretrained('{folder}')")
    with pytest.raises(LmbenchError, match=r"does not give back the text \('Bad' in document 2 becomes 'bad'\)"):
        lowering.log_probs(in_bytes(["a", "a Bad"]))


def test_a_tokenizer_without_an_end_must_be_given_one(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: config[key] for key in config if key not in ("bos_token", "eos_token")}))
    with pytest.raises(UsageError, match=r"names no token that ends a text; give one: end='<eos>'"):
        fitted(f"pretrained('{folder}')")
    with pytest.raises(UsageError, match="has no token '<nothing>'"):
        fitted(f"pretrained('{folder}', end='<nothing>')")
    named = fitted(f"pretrained('{folder}', end='<|endoftext|>')")
    assert np.array_equal(named.log_probs(VALID), fitted(f"pretrained('{tiny('gpt2')}')").log_probs(VALID))


def test_a_name_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from lmbench.model import _hub

    monkeypatch.setattr(machine, "reachable", lambda url: False)
    _hub._reachable.cache_clear()
    with pytest.raises(
        LmbenchError, match=r"'nobody/nothing' cannot be loaded \(no folder here, and no network"
    ) as said:
        fitted("pretrained('nobody/nothing')")
    assert "\n" not in str(said.value)
    _hub._reachable.cache_clear()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs transformers, .* -m pip install"):
        Pretrained("gpt2")


def test_options_that_do_not_go_together() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UsageError, match="train=lora belongs to mode=finetune"):
        models.make("pretrained(gpt2, train=lora)")
    with pytest.raises(UsageError, match="layers=3 is more than the 2"):
        fitted(f"pretrained('{tiny('gpt2')}', mode=finetune, train=last, layers=3)")


def test_nothing_can_be_interpolated_with_it() -> None:
    model = models.make(f"mixture(models=[ngram(order=2), pretrained('{tiny('gpt2')}')])", runtime=Runtime())
    with pytest.raises(LmbenchError, match="predicts tokens of its own, so that nothing can be interpolated"):
        model.fit(TRAIN, VALID, Silent())


def test_a_run_with_one_has_bits_per_byte_and_nothing_per_token(small_text: Path, tmp_path: Path) -> None:
    """The row in the table, loaded again, and compared by bytes."""
    spec = f"pretrained('{tiny('llama')}', mode=finetune, steps=3)"
    plan = Plan(
        source=str(small_text), tokenizer="char", models=["ngram(order=3)", spec], estimators=[], device="cpu",
        out=tmp_path,
    )  # fmt: skip
    done = run(plan)
    assert done.record.failures == []
    counts, row = done.record.rows
    assert row.nats_per_token is row.bits_per_token is row.perplexity is row.ci95_nats_per_token is None
    assert counts.behind is row.behind is None
    log_probs = np.load(done.folder / row.folder / "log_probs.npy")
    assert row.bits_per_byte == pytest.approx(-log_probs.sum() / np.log(2) / row.bytes)
    assert row.ci95_bits_per_byte is not None
    assert row.ci95_bits_per_byte[0] < row.bits_per_byte < row.ci95_bits_per_byte[1]
    assert any("figures per token, and differences in them, do not" in note for note in row.notes)
    test = Tokens.load(done.folder / "test")
    assert "Learning curves" in (done.folder / "report.html").read_text(encoding="utf-8")
    assert np.array_equal(load_model(done.folder, row).log_probs(test, Silent()), log_probs)
    table = lmbench("report", "latest", "--out", tmp_path)
    assert "∞" not in table.output  # what is left out is not infinite
    shown = lmbench("compare", "latest", "ngram", "pretrained", "--out", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert counts.bits_per_byte is not None
    assert f"by {row.bits_per_byte - counts.bits_per_byte:.4f} bits/byte" in shown.output
    written = lmbench("generate", "latest", "--model", "all", "--tokens", "12", "--json", "--out", tmp_path)
    assert [text["tokens"] for each in json.loads(written.stdout)["models"] for text in each["texts"]] == [12, 12]


def test_a_model_that_looks_ahead_is_refused(tmp_path: Path) -> None:
    import torch
    from transformers import RobertaConfig, RobertaForCausalLM

    folder = copied(tmp_path)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = RobertaConfig(vocab_size=300, max_position_embeddings=34, is_decoder=True, **sizes)
        RobertaForCausalLM(config).save_pretrained(folder)
    assert np.isfinite(fitted(f"pretrained('{folder}')").log_probs(VALID)).all()
    config.is_decoder = False
    config.save_pretrained(folder)
    with pytest.raises(LmbenchError, match="RobertaForCausalLM looks ahead"):
        fitted(f"pretrained('{folder}')")


def test_weights_that_are_missing_or_of_another_size_are_not_drawn_at_random(tmp_path: Path) -> None:
    import torch

    name = "transformer.h.1.mlp.c_fc.weight"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(LmbenchError, match=r"lacks 1 of the weights of GPT2LMHeadModel \(transformer\.h\.1\.mlp"):
        fitted(f"pretrained('{altered(tmp_path / 'a', **{name: None})}')")
    with pytest.raises(LmbenchError, match="cannot be loaded") as said:
        fitted(f"pretrained('{altered(tmp_path / 'b', **{name: torch.zeros(3, 5)})}')")
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_that_was_cut_is_an_error_in_one_line(tmp_path: Path, name: str) -> None:
    folder = altered(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    with pytest.raises(LmbenchError, match="cannot be loaded") as said:
        fitted(f"pretrained('{folder}')")
    assert "\n" not in str(said.value)


def test_memory_that_is_used_up_is_not_blamed_on_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    folder = tiny("gpt2")
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", full)
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        fitted(f"pretrained('{folder}')")


def test_an_adapter_is_not_taken_for_the_model_it_was_made_for(tmp_path: Path) -> None:
    folder = altered(tmp_path)
    adapter = {"base_model_name_or_path": tiny("gpt2"), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(LmbenchError, match="merge the adapter first"):
        fitted(f"pretrained('{folder}')")


def test_an_end_that_the_model_cannot_predict(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    table = load_file(Path(tiny("gpt2")) / "model.safetensors")["transformer.wte.weight"]
    folder = altered(tmp_path, **{"transformer.wte.weight": table[1:200].clone()})
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": 199}
    (folder / "config.json").write_text(json.dumps(config))
    last = load_tokenizer(str(folder), None).convert_ids_to_tokens(250)
    with pytest.raises(LmbenchError, match="ends texts with id 250 and the model has only 199 outputs"):
        fitted(f"pretrained('{folder}', end='{last}')")
