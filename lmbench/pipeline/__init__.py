"""The main job, end to end: a text in; a folder with the record, the fitted models and the report out."""

from __future__ import annotations

from lmbench.pipeline.job import ESTIMATORS, MODELS, Plan
from lmbench.pipeline.opened import Run, load_model, open_run, scored_tokens_of, tokenizer_of, trust
from lmbench.pipeline.team import follow, follows
from lmbench.pipeline.training_text import training_index
from lmbench.pipeline.work import Interrupted, OnRow, resume, run

__all__ = [
    "ESTIMATORS",
    "MODELS",
    "Interrupted",
    "OnRow",
    "Plan",
    "Run",
    "follow",
    "follows",
    "load_model",
    "open_run",
    "resume",
    "run",
    "scored_tokens_of",
    "tokenizer_of",
    "training_index",
    "trust",
]
