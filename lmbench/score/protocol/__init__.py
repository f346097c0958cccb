"""How other programs measure a model on a text, done here as they do it. One file per program; `base.py` holds the
contract."""

from __future__ import annotations

from lmbench.registry import Registry

protocols = Registry("lmbench.score.protocol", "protocol", aliases={"lm-eval": "lm_eval"})
