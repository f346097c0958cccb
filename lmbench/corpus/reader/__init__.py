"""Kinds of sources that text is read from. One file per kind; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

readers = Registry("lmbench.corpus.reader", "reader")
