"""Estimators of the entropy of the source. One file per estimator; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

estimators = Registry("lmbench.entropy", "estimator")
