"""Records of earlier formats, brought up to today's one step at a time: `from_N.py` turns format N into N + 1.

A step is a function of the JSON content, which is a stranger's: what it does not find as it should be it leaves as it
is, for the validation that comes after the last step to name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmbench.errors import LmbenchError
from lmbench.registry import Registry

FORMAT = 2  # of the records that this version writes
steps = Registry("lmbench.record.migration", "migration of records")

Step = Callable[[dict[str, Any]], dict[str, Any]]


def migrated(content: Any, name: str) -> Any:
    """`content`, what JSON gives of the record `name`, in today's format where it is an earlier one.

    Raises LmbenchError where a later version of lmbench has written it.
    """
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return content
    if found > FORMAT:
        raise LmbenchError(
            f"{name} is of format {found}, written by a later version of lmbench; this one reads formats up to "
            f"{FORMAT}: update lmbench to open it"
        )
    while 1 <= found < FORMAT:
        step: Step = steps.load(f"from_{found}")
        content, found = step(content), found + 1
    return content
