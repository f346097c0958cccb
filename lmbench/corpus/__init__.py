"""Where text comes from: local files, the datasets hub, Python's own documentation, synthetic sources."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmbench.corpus.cache import default_cache
    from lmbench.corpus.manifest import Manifest, corpora
    from lmbench.corpus.source import Corpus, open_source

__all__ = ["Corpus", "Manifest", "corpora", "default_cache", "open_source"]

_HOME = {"Corpus": "source", "Manifest": "manifest", "corpora": "manifest"}
_HOME |= {"default_cache": "cache", "open_source": "source"}


def __getattr__(name: str) -> Any:
    # Lazy: manifests need pydantic, and the command line's --help does without.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"lmbench.corpus.{_HOME[name]}"), name)
