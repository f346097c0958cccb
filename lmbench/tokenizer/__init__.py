"""Text to ids. One file per tokenizer; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

tokenizers = Registry("lmbench.tokenizer", "tokenizer")
