"""The pages of runs: what is in their records, and what their models say of a passage of the test text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lmbench import store
from lmbench.pipeline.passage import TOKENS, material_of
from lmbench.report.page import Shown, write_page, write_report

AT_THE_END = 6.0  # seconds that a run takes at its end to ask its models about a passage
ASKED = 10.0  # seconds where the page is asked for, all runs on it together
_CELLS = 16_000  # tokens of passages times models on one page: what keeps it under 3 MB


def run_page(folder: Path, seconds: float | None = None) -> Path:
    """Write report.html of a run, into its folder, with its figures beside it; models are asked about the passage for
    `seconds` at most, AT_THE_END unless said otherwise."""
    record = store.read_record(folder)
    seconds = AT_THE_END if seconds is None else seconds
    write_page(folder, record, material=material_of(folder, record, seconds))
    return folder / "report.html"


def write_runs(folders: Sequence[Path], path: Path, seconds: float = ASKED) -> Path:
    """Write one page about `folders` to `path`; of several runs each has its share of the room and of
    the `seconds` for which models are asked about the passage."""
    records = [store.read_record(folder) for folder in folders]
    models = sum(len(record.rows) for record in records)
    tokens = min(TOKENS, _CELLS // max(1, models))
    shown = [
        Shown(folder.name, record, material_of(folder, record, seconds / len(folders), tokens))
        for folder, record in zip(folders, records, strict=True)
    ]
    write_report(path, shown)
    return path
