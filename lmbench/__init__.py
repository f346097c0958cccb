"""Counting and neural networks on one scale: language models and entropy estimates on the same tokens.

    >>> import lmbench
    >>> done = lmbench.run(lmbench.Plan(source="book.txt", models=["ngram(order=5)", "transformer"]))
    >>> [(row.model, row.bits_per_byte) for row in done.record.rows]

A run that is there already, and what each test token cost under one of its models:

    >>> done = lmbench.open("latest")
    >>> done.record, done.tokens, done.losses("ngram(order=5)")

Names are imported when they are first used, so that `import lmbench` costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmbench.corpus import open_source
    from lmbench.entropy import estimators
    from lmbench.errors import LmbenchError, UsageError
    from lmbench.model import models
    from lmbench.pipeline import Plan, Run, load_model, run
    from lmbench.pipeline import open_run as open
    from lmbench.record import Record
    from lmbench.spec import Spec, parse
    from lmbench.store import read_record
    from lmbench.tokenizer import tokenizers
    from lmbench.tokens import Tokens, Vocabulary

# Large arrays in large pages, where Linux has them: counting takes a quarter less time. Torch reads this once.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_HOME = {  # the module of a name, and the name there where it is another
    "LmbenchError": "lmbench.errors",
    "Plan": "lmbench.pipeline",
    "Record": "lmbench.record",
    "Run": "lmbench.pipeline",
    "Spec": "lmbench.spec",
    "Tokens": "lmbench.tokens",
    "UsageError": "lmbench.errors",
    "Vocabulary": "lmbench.tokens",
    "estimators": "lmbench.entropy",
    "load_model": "lmbench.pipeline",
    "models": "lmbench.model",
    "open": "lmbench.pipeline:open_run",
    "open_source": "lmbench.corpus",
    "parse": "lmbench.spec",
    "read_record": "lmbench.store",
    "run": "lmbench.pipeline",
    "tokenizers": "lmbench.tokenizer",
}

__all__ = [  # noqa: RUF022 - grouped by what they are for
    "Plan", "run", "open", "Run", "Record", "read_record", "load_model",
    "open_source", "tokenizers", "models", "estimators",
    "Spec", "parse", "Tokens", "Vocabulary",
    "LmbenchError", "UsageError",
    "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("lmbench")
    if name not in _HOME:
        raise AttributeError(f"module 'lmbench' has no attribute {name!r}")
    module, _, other = _HOME[name].partition(":")
    return getattr(importlib.import_module(module), other or name)


def __dir__() -> list[str]:
    return sorted(__all__)
