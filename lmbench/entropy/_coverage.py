"""What calibration found of each estimator's interval, and what is said of it beside the estimate.

`calibration.json` is the committed table of `lmbench entropy --calibrate`, as far as it is printed:

    python -m lmbench.entropy._coverage results/reference/calibration.json > lmbench/entropy/calibration.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmbench import terminal
from lmbench.entropy import estimators
from lmbench.spec import Spec, parse

if TYPE_CHECKING:
    from lmbench.entropy._calibration import Calibration

NOMINAL, LEAST = 0.95, 0.90
_LEFT_OUT = ("reason", "seconds")  # of the rows, in what is shipped


def key_of(spec: Spec) -> str:
    """The SPEC without its unit and without options at their defaults: under this an estimator is calibrated.

    >>> key_of(parse("block(unit=token, correction=miller_madow)"))
    'block'
    """
    plugin, options = estimators.check(spec)
    defaults = {option.name: option.default for option in plugin.options}
    told = {name: value for name, value in spec.options.items() if name in options and name != "unit"}
    return str(Spec(spec.name, {name: value for name, value in told.items() if str(value).lower() != defaults[name]}))


def coverage_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{key: intervals, covered, best, worst} over all sources and sizes; estimators without intervals are left out.

    `rows`: as `Calibration` has them. `best`, `worst`: [source, share of its intervals that hold the rate].
    """
    found: dict[str, dict[str, Any]] = {}
    for estimator in dict.fromkeys(row["estimator"] for row in rows):
        mine = [row for row in rows if row["estimator"] == estimator and row["coverage"] is not None]
        if not mine:
            continue
        shares = {}
        for source in dict.fromkeys(row["source"] for row in mine):
            of_source = [row for row in mine if row["source"] == source]
            shares[source] = _covered(of_source) / sum(row["intervals"] for row in of_source)
        best, worst = max(shares, key=lambda name: shares[name]), min(shares, key=lambda name: shares[name])
        found[key_of(parse(estimator))] = {
            "intervals": sum(row["intervals"] for row in mine),
            "covered": _covered(mine),
            "best": [best, shares[best]],
            "worst": [worst, shares[worst]],
        }
    return found


def _covered(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(round(row["coverage"] * row["intervals"]) for row in rows)


def warning(spec: Spec) -> str | None:
    """A clause for the note of an estimate that has an interval, where such intervals held under 90 % of known rates.

    Options that were not calibrated are spoken for by the estimator's defaults, which is said.
    """
    known, key = _shipped(), key_of(spec)
    found = known.get(key) or known.get(spec.name)
    if found is None or found["covered"] >= LEAST * found["intervals"]:
        return None
    (best, most), (worst, least) = found["best"], found["worst"]
    whose = "" if key in known else ", with default options,"
    return (
        f"on sources of known rate such 95 % intervals{whose} held the rate in {found['covered']:,} of "
        f"{found['intervals']:,} samples ({most:.0%} on {best}, {least:.0%} on {worst})"
    )


def calibrated(name: str) -> list[Calibration]:
    """The rows of the shipped table for every SPEC of the estimator `name`; none where it was not calibrated."""
    from lmbench.entropy._calibration import Calibration

    mine = [row for row in _rows() if parse(row["estimator"]).name == name]
    return [Calibration(**row, reason="", seconds=0.0) for row in mine]


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    return coverage_of(_rows())


@cache
def _rows() -> list[dict[str, Any]]:
    path = files("lmbench.entropy") / "calibration.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def shipped_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """What `calibration.json` holds of the rows of a committed table: one a line, to 6 digits, no reasons, no times."""
    kept = [{name: _rounded(value) for name, value in row.items() if name not in _LEFT_OUT} for row in rows]
    return "[\n" + ",\n".join(json.dumps(row) for row in kept) + "\n]\n"


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    table = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    terminal.write_json(shipped_text(table["rows"]))
