"""Results as lm-evaluation-harness writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.record import Record, Row
from lmbench.report.export.base import Documents, Exported

__all__ = ["LmEval"]

_METRICS = ("word_perplexity", "byte_perplexity", "bits_per_byte")
_RESAMPLES = 1_000
_VERSION = 1.0  # of the tasks that stand in such a file
_NONE = "N/A"  # of a standard error that cannot be had, as the harness writes it


class LmEval:
    """The result schema of lm-evaluation-harness (`results`, `configs`, `versions`, `n-shot`, `n-samples`,
    `higher_is_better`, `config`), a task for each test text, or for each model on it where there are several.

    The metrics are the harness's for rolling log-likelihoods: minus the sum of ln p over all documents, divided by the
    sum of their words (`re.split` at white space, empty pieces counted) or bytes; e to that, or in bits. Ends of
    documents, which the harness does not predict, are left out. The standard error is that of its bootstrap: the
    deviation of the metric over samples of the documents with replacement; of one document there is none.
    """

    def text(self, runs: Sequence[Exported]) -> str:
        content: dict[str, Any] = {
            name: {} for name in ("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better")
        }
        content["n-samples"] = {}
        shown = [(run, row) for run in runs for row in _rows(run.record)]
        for run, row in shown:
            task = _task(run, row, len(runs), len(shown))
            documents = run.documents(row)
            content["results"][task] = {"alias": task} | _metrics(documents)
            content["group_subtasks"][task] = []
            content["configs"][task] = _config(run.record, row, task)
            content["versions"][task] = _VERSION
            content["n-shot"][task] = 0
            content["higher_is_better"][task] = dict.fromkeys(_METRICS, False)
            count = run.record.card.test.documents
            content["n-samples"][task] = {"original": count, "effective": count}
        content |= _about([run.record for run in runs], [row for _, row in shown])
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rows(record: Record) -> list[Row]:
    """Those with a cross-entropy of the text; a score that is no distribution has no place among perplexities."""
    known = [row for row in record.rows if row.distribution and not row.control]
    return [row for row in known if row.nats_per_token is not None or row.bits_per_byte is not None]


def _task(run: Exported, row: Row, runs: int, rows: int) -> str:
    """`corpus`, with the model where there are several, with the run where there are several."""
    words = [run.record.card.corpus] + ([run.name] if runs > 1 else []) + ([row.model] if rows > 1 else [])
    return " ".join(words)


def _metrics(documents: Documents | None) -> dict[str, float | str]:
    if documents is None:
        return {}
    draws = _draws(len(documents.nats))
    found: dict[str, float | str] = {}
    for name in _METRICS:
        weights = documents.words if name == "word_perplexity" else documents.bytes
        whole = _metric(name, documents.nats, weights, None)
        again = None if draws is None else _metric(name, documents.nats, weights, draws)
        found[f"{name},none"] = float(whole[0])
        error = None if again is None or not np.isfinite(again).all() else float(again.std(ddof=1))
        found[f"{name}_stderr,none"] = _NONE if error is None else error
    return {name: value if isinstance(value, str) or math.isfinite(value) else _NONE for name, value in found.items()}


def _metric(
    name: str, nats: NDArray[np.float64], weights: NDArray[np.int64], draws: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """[1], or [R] where documents are drawn `draws` [R, d] times each."""
    drawn = np.ones((1, len(nats)), dtype=np.int64) if draws is None else draws
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        mean: NDArray[np.float64] = (drawn @ nats) / (drawn @ weights)
        return mean / math.log(2) if name == "bits_per_byte" else np.exp(mean)


def _draws(documents: int) -> NDArray[np.int64] | None:
    """[R, d] how often each document is in each sample."""
    if documents < 2:
        return None
    generator = np.random.default_rng(0)
    return generator.multinomial(documents, np.full(documents, 1 / documents), size=_RESAMPLES)


def _config(record: Record, row: Row, task: str) -> dict[str, Any]:
    card = record.card
    return {
        "task": task,
        "dataset_path": card.corpus,
        "test_split": "test",
        "output_type": "loglikelihood_rolling",
        "metric_list": [{"metric": name} for name in _METRICS],
        "num_fewshot": 0,
        "metadata": {
            "version": _VERSION, "model": row.model, "split": card.split_rule, "test_hash": card.test.hash,
            "tokenizer": card.tokenizer, "boundary": card.boundary, "context": row.context, "stride": row.stride,
        },
    }  # fmt: skip


def _about(records: Sequence[Record], rows: Sequence[Row]) -> dict[str, Any]:
    card = records[0].card
    model = rows[0].model if len({row.model for row in rows}) == 1 else "several, see configs"
    try:
        date = datetime.fromisoformat(card.started).timestamp()
    except (ValueError, OverflowError):  # a record may be anybody's
        date = 0.0
    return {
        "config": {
            "model": "lmbench", "model_args": model, "batch_size": None, "device": card.device,
            "random_seed": card.seed, "bootstrap_iters": _RESAMPLES,
        },
        "git_hash": card.commit,
        "date": date,
        "model_source": "lmbench",
        "model_name": model,
        "lmbench_version": card.versions.get("lmbench"),
        "total_evaluation_time_seconds": str(sum(row.score_seconds for row in rows)),
    }  # fmt: skip
