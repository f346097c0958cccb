"""Counts to probabilities and back-off weights. One file per smoothing; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

smoothings = Registry(
    "lmbench.smoothing", "smoothing", aliases={"kneser_ney": "modified_kneser_ney", "katz": "good_turing"}
)
