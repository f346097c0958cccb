"""The record of a run as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from lmbench.record.base import Strict
from lmbench.record.card import Card
from lmbench.record.entropy import Entropy, Shannon
from lmbench.record.migration import FORMAT as FORMAT
from lmbench.record.row import Row
from lmbench.record.series import Series
from lmbench.record.where import Where

if TYPE_CHECKING:
    import pandas
    import pyarrow

Part = Literal["rows", "entropy"]


class Failure(Strict):
    """A model or estimator that could not do its work, and the line that says why."""

    spec: str
    message: str


class Record(Strict):
    """What a run leaves behind. `plan` is what was asked for, and what `--resume` goes on with.

    `format` is the version of this schema: a record of an earlier one is brought up to it when it is read
    (`lmbench.record.migration`). `status` is "interrupted" from the first row on, and "complete" once every model and
    estimator of the plan has had its turn; those in `failures` had it and failed.
    """

    format: Literal[2] = 2
    status: Literal["complete", "interrupted"]
    plan: dict[str, JsonValue]
    card: Card
    rows: list[Row]
    entropy: list[Entropy]
    failures: list[Failure]
    shannon: list[Shannon] = []
    where: Where | None = None
    series: Series | None = None

    def to_arrow(self, part: Part = "rows") -> pyarrow.Table:
        """A line for each row of the table, or with `entropy` for each estimate; see `lmbench.record.table`."""
        from lmbench.record.table import arrow_table

        return arrow_table(self.rows if part == "rows" else self.entropy, Row if part == "rows" else Entropy)

    def to_pandas(self, part: Part = "rows") -> pandas.DataFrame:
        """As `to_arrow`, as a data frame."""
        return self.to_arrow(part).to_pandas()


def schema() -> str:
    """The JSON schema of record.json, as the repository holds it."""
    return json.dumps(Record.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
