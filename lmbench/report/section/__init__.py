"""The parts of a report. One file per section; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry
from lmbench.report.section.base import Page, Section

sections = Registry("lmbench.report.section", "report section")


def ordered(page: Page = "report") -> list[tuple[str, Section]]:
    """Every section that belongs on `page`, with its name, from the top down; one that names no pages is on all."""
    made: list[tuple[str, Section]] = [(name, sections.make(name)) for name in sections.names]
    made = [(name, section) for name, section in made if page in getattr(section, "pages", (page,))]
    return sorted(made, key=lambda pair: pair[1].position)
