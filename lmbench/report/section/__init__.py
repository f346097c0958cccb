"""The parts of a report. One file per section; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry
from lmbench.report.section.base import Section

sections = Registry("lmbench.report.section", "report section")


def ordered() -> list[tuple[str, Section]]:
    """Every section there is, with its name, from the top of the report down."""
    made: list[tuple[str, Section]] = [(name, sections.make(name)) for name in sections.names]
    return sorted(made, key=lambda pair: pair[1].position)
