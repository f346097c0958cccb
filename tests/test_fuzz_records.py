"""Some of the mutations of `fuzz_records.py`, the same ones each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_records import fuzz, make_run


@pytest.mark.parametrize(("name", "count"), [("some", 130), ("spell", 60), ("stopped", 12)])
def test_a_damaged_run_is_a_line_and_nothing_outside_is_touched(name: str, count: int, tmp_path: Path) -> None:
    base = make_run(tmp_path, name)
    (tmp_path / "fuzz").mkdir()
    tally = fuzz(base, tmp_path / "fuzz", range(count), seed=0)
    assert tally.faults == []
    assert tally.worst <= 2, tally.worst_of
