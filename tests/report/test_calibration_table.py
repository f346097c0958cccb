"""The calibration table, and where it is read: beside what is said of an estimator."""

from __future__ import annotations

import io

from rich.console import Console
from typer.testing import CliRunner

from lmbench.cli.main import make_app
from lmbench.entropy._calibration import Calibration
from lmbench.report.calibration import calibration_markdown, calibration_table

ROWS = [
    Calibration("iid", "block", 1000, 20, 4.7004, -0.0024, 0.0056, 0.95, 19, None, 1, "too short", 0.1),
    Calibration("iid", "zlib", 1000, 1, 4.7004, 0.3, None, None, 0, 1.0, 0, "", 0.1),
]


def test_markdown_has_a_section_for_each_estimator() -> None:
    text = calibration_markdown(ROWS, ["a command"])
    assert "## `block`" in text
    assert "| iid | 1,000 | 19 of 20 | 4.700 | -0.0024 | 0.0056 | 95% | – |\n\n- refused: too short" in text
    assert "| iid | 1,000 | 1 | 4.700 | +0.3000 | – | – | 100% |" in text


def test_a_terminal_has_the_same_cells() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(calibration_table(ROWS))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines if "1,000" in line] == [
        ["iid", "1,000", "19", "of", "20", "4.700", "-0.0024", "0.0056", "95%", "–"],
        ["iid", "1,000", "1", "4.700", "+0.3000", "–", "–", "100%"],
    ]


def test_the_listing_of_an_estimator_ends_with_its_table() -> None:
    done = CliRunner().invoke(make_app(), ["estimators", "match_length"])
    assert done.exit_code == 0, done.output
    assert "On sources of known rate" in done.stdout
    assert "match_length(average=slope)" in done.stdout
    assert "renewal" in done.stdout
    assert "On sources of known rate (" not in CliRunner().invoke(make_app(), ["estimators"]).stdout
