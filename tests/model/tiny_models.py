"""A GPT-2, a Llama and a Gemma 2 of a few thousand weights, made with `transformers` and saved as the hub has them."""

from __future__ import annotations

import functools
import os
import tempfile
import warnings
from pathlib import Path

import pytest

TEXT = ["a bad cab", "ab abc", "face gag", "the deaf bee fed a cafe, a cabbage and café ünï 日本語\n"] * 8


@functools.cache
def tiny(kind: str) -> str:
    """The folder of a `gpt2` (one end-of-text token, byte-level BPE) or a `llama` or `gemma2` (<s> and </s>,
    SentencePiece's spaces, byte fallback), with random weights. Skips the test where transformers is not installed."""
    pytest.importorskip("transformers", reason="pip install 'lmbench[hub]'")
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = tempfile.mkdtemp(prefix=f"tiny-{kind}-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the library imports
        _gpt2(Path(folder)) if kind == "gpt2" else _llama(Path(folder), kind)
    return folder


def _gpt2(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXT, trainer)
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = GPT2Config(
            vocab_size=tokenizer.get_vocab_size(), n_positions=16, n_embd=16, n_layer=2, n_head=2,
            bos_token_id=0, eos_token_id=0, initializer_range=0.5,
        )  # fmt: skip
        GPT2LMHeadModel(config).save_pretrained(folder)


def _llama(folder: Path, kind: str) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import (
        Gemma2Config,
        Gemma2ForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefgh"]
    merges = [("a", "b"), ("▁", "a"), ("ab", "c"), ("e", "d")]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, *("".join(merge) for merge in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    sizes = {
        "vocab_size": len(vocabulary) + 3, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32, "initializer_range": 0.3,
        "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(2)
        if kind == "gemma2":
            Gemma2ForCausalLM(Gemma2Config(**sizes, head_dim=8, final_logit_softcapping=2.0)).save_pretrained(folder)
        else:
            LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(folder)
