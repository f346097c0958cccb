"""Models and tokenizers of the library `transformers`, from a folder or the hub."""

from __future__ import annotations

import functools
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from lmbench import files, machine
from lmbench.errors import LmbenchError

_LONGEST = 1 << 24  # whole number among the settings of a model that is read
_BESIDE = 1 << 22  # numbers that it may hold beside its weights


def load_weights(source: str, revision: str | None) -> Any:
    """The model in float32 from a folder or the hub: safetensors only, and no code that comes with it.

    Raises LmbenchError in one line where it cannot be had, as the other two do, and where weights are missing, which
    the library would draw at random, or are an adapter to another model's, which it would fetch instead.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.peft_utils import find_adapter_config_file

    with _loading(source):
        where = _from_where(source, revision)
        adapter = find_adapter_config_file(source, **{key: where[key] for key in ("revision", "local_files_only")})
    if adapter is not None:
        raise LmbenchError(
            f"{source!r} is an adapter to another model (adapter_config.json); merge the adapter first, and give the "
            "merged model"
        )
    with _loading(source):
        model, found = AutoModelForCausalLM.from_pretrained(
            source, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **where
        )
    missing = sorted(found["missing_keys"])
    if missing:
        raise LmbenchError(
            f"{source!r} lacks {len(missing)} of the weights of {type(model).__name__} ({missing[0]}, ...); give a "
            "model that was saved whole"
        )
    return model


def check_saved(folder: Path) -> None:
    """Raises LmbenchError where the weights saved in `folder` are not those of the model that its config.json
    describes, or that would hold more beside them: before any memory is taken for it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    path = folder / "config.json"
    with files.whole(path, "model", "run the model again"), quiet():
        shapes = [shape for part in folder.glob("*.safetensors") for shape in files.tensor_shapes(part).values()]
        for name, value in files.read_json(path, finite=False).items():
            most = len(shapes) if "layer" in name or "expert" in name else _LONGEST
            if isinstance(value, int) and not -most <= value <= most:
                raise ValueError(f"{name} is larger than its weights can be for")
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            drawn = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        saved = sum(math.prod(shape) for shape in shapes)
        if sum(p.numel() for p in drawn.parameters()) > saved:
            raise ValueError("its weights are fewer than those of such a model")
        if sum(buffer.numel() for buffer in drawn.buffers()) > max(_BESIDE, saved):
            raise ValueError("its context is longer than its weights can be for")


def untrained(source: str, revision: str | None, seed: int) -> Any:
    """The same architecture with weights drawn anew."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with _loading(source), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(source, **_from_where(source, revision))
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False, dtype=torch.float32)
        model.config._commit_hash = getattr(config, "_commit_hash", None)
        return model


def load_tokenizer(source: str, revision: str | None) -> Any:
    """Its own tokenizer, with what is cut or filled in switched off and special tokens in a text taken as text."""
    from transformers import AutoTokenizer

    with _loading(source):
        tokenizer = AutoTokenizer.from_pretrained(source, **_from_where(source, revision))
    if not getattr(tokenizer, "is_fast", False):
        raise LmbenchError(f"pretrained: {source!r} has no tokenizer.json, so that its tokens have no place in text")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.encode_special_tokens = True
    return tokenizer


def _from_where(source: str, revision: str | None) -> dict[str, Any]:
    """Where there is no network, what was fetched before or nothing: the library alone would go on asking for it."""
    alone = Path(source).is_dir() or not _reachable()
    return {"revision": revision, "trust_remote_code": False, "local_files_only": alone}


@functools.cache
def _reachable() -> bool:
    """Whether the hub can be; asked once."""
    from huggingface_hub import constants

    return machine.reachable(constants.ENDPOINT)


@contextmanager
def _loading(source: str) -> Iterator[None]:
    """What the library cannot load is said in one line; that memory is used up, it says itself."""
    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        if machine.out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        where = "in this folder" if Path(source).is_dir() else "no folder here, and from the hub"
        if not Path(source).is_dir() and not _reachable():
            where, reason = "no folder here, and no network", "nothing of it was fetched before"
        raise LmbenchError(
            f"{source!r} cannot be loaded ({where}: {reason}); give a causal language model's name and a "
            "network, or a folder with config.json, model.safetensors and tokenizer.json"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars, advice and announcements of `transformers` and `peft`."""
    from transformers.utils import logging as said

    bars, level = said.is_progress_bar_enabled(), said.get_verbosity()
    said.disable_progress_bar()
    said.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        said.set_verbosity(level)
        if bars:
            said.enable_progress_bar()
