"""A figure that is not there is shown as not there, wherever a record may lack one."""

from __future__ import annotations

import io
import json
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from test_learning import MISSED, PASSED, net

from lmbench.cli import entropy as entropy_command
from lmbench.cli import run as run_command
from lmbench.cli._progress import Lines
from lmbench.pipeline import Run
from lmbench.record import Approximation, Drift, Entropy, Failure, Proof, Record, Row, Series, Shannon, ShannonPoint
from lmbench.report.document import document
from lmbench.report.screen import print_report
from lmbench.report.section import ordered

POINT = ShannonPoint(
    context=3, lower=1.4, upper=2.5, ci95_lower=(1.3, 1.5), ci95_upper=(2.4, 2.6), cross_entropy=2.1, first=0.5,
    guesses=3.1, shares=[0.5, 0.5],
)  # fmt: skip
GAME = Shannon(
    model="m", alphabet=65, positions=9, characters_per_token=1.0, points=[POINT], notes=["x"], groups=[1, 2]
)
STEP = Approximation(
    unit="letter", order=2, model="ngram(order=2)", tokens="char", bits_per_character=3.5, bits_per_word=19.0,
    sample="ab", longest_match=2, copied=0.0, only_copies=False,
)  # fmt: skip
SERIES = Series(
    letters="all", alphabet=65, words="white space", method="counts", seed=0, train_characters=9, test_characters=9,
    steps=[STEP],
)  # fmt: skip


def optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def gaps(value: Any, most: int, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value that may be None, and is not, in the first `most` items of each list."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            if optional(field.annotation) and inner is not None:
                yield (*path, name)
            yield from gaps(inner, most, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value[:most]):
            yield from gaps(inner, most, (*path, place))
    elif isinstance(value, dict) and path[-1] in ("training", "curve", "training_loss"):  # of JSON: see record.finite
        for key, inner in value.items():
            if isinstance(inner, float):
                yield (*path, key)
            yield from gaps(inner, most, (*path, key))


def without(record: Record, paths: list[tuple[Any, ...]]) -> Record:
    content = json.loads(record.model_dump_json())
    for path in paths:
        inner = content
        for part in path[:-1]:
            inner = None if inner is None else inner[part]
        if inner is not None:
            inner[path[-1]] = None
    return Record.model_validate_json(json.dumps(content))


@pytest.fixture(scope="module")
def record(small_run: Run) -> Record:
    drift = Drift(
        texts=4, tokens=80, nats_per_token=2.0, ci95_nats_per_token=(1.9, 2.1), scored_nats_per_token=1.8, places=[20],
        nats=[2.0],
    )  # fmt: skip
    proof = Proof(tokens=9, code_length_bits=30.5, payload_bits=64)
    row = net(small_run, passes=[PASSED, MISSED]).model_copy(update={"drift": drift, "verified": proof})
    score = small_run.record.rows[0].model_copy(
        update={
            "distribution": False,
            "mean_nats": 1.5,
            "nats_per_token": None,
            "behind": None,
            "model": "score",
            "unknown_share": 0.1,
        }
    )
    estimates: list[Entropy] = small_run.record.entropy
    return small_run.record.model_copy(
        update={
            "rows": [row, score, *small_run.record.rows[1:2]], "entropy": estimates, "shannon": [GAME],
            "series": SERIES, "failures": [Failure(spec="x", message="y")],
        }
    )  # fmt: skip


def shown(record: Record) -> str:
    """Everything that is written of a record, but for figures."""
    stream = io.StringIO()
    for page in ("report", "entropy"):
        print_report(record, stream, page)  # type: ignore[arg-type]
        for _, section in ordered(page):  # type: ignore[arg-type]
            stream.write(document("t", "l", section.html(record) or ""))
    for row in record.rows:
        run_command._teller(Lines(stream))(row)
    for estimate in record.entropy:
        entropy_command._teller(Lines(stream))(estimate)
    return stream.getvalue()


def test_any_figure_may_be_absent(record: Record) -> None:
    paths = list(gaps(record, 3))
    assert len(paths) > 30
    assert {path[2] for path in paths if path[0] == "rows"} >= {
        name for name, field in Row.model_fields.items() if optional(field.annotation)
    } - {"context", "stride", "valid_nats_per_token"}
    for path in paths:
        said = shown(without(record, [path]))
        assert "None" not in said.replace("none", ""), path


def test_all_figures_may_be_absent(record: Record) -> None:
    bare = without(record, list(gaps(record, 99)))
    assert "nats/token" not in shown(bare).splitlines()[0]
    for _, section in ordered():
        section.figure(bare)
