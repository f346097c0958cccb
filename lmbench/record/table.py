"""Rows and estimates of a record as columns: for Arrow, pandas, and files of tables.

A column has the name of its field. An interval is two columns, `..._low` and `..._high`; `behind` is what a row is
behind the best one, with its interval; notes are a list of texts. What has a structure of its own (`training`,
`passes`, `seeds`, `curve`, `files`, `verified`, `drift`) is in the record alone.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lmbench.record.base import Strict

if TYPE_CHECKING:
    import pyarrow

_LEFT = ("training", "passes", "seeds", "curve", "files", "verified", "drift")


def columns_of(kind: type[Strict]) -> dict[str, type]:
    """{column: type of its values} of the rows or estimates of class `kind`."""
    found: dict[str, type] = {}
    for name, field in kind.model_fields.items():
        if name in _LEFT:
            continue
        parts = [part for part in typing.get_args(field.annotation) if part is not type(None)]
        shape = typing.get_origin(parts[0] if parts else field.annotation)
        if shape is tuple:
            base = name.removeprefix("ci95_")
            found |= {f"{base}_low": float, f"{base}_high": float}
        elif name == "behind":
            found |= {"behind": float, "behind_low": float, "behind_high": float}
        else:
            found[name] = _plain(field.annotation)
    return found


def _plain(annotation: Any) -> type:
    """The type of a field's values: str for a choice of words."""
    if typing.get_origin(annotation) is list:
        return list
    for kind in (bool, int, float):
        if annotation is kind or kind in _leaves(annotation):
            return kind
    return str


def _leaves(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _leaves(typing.get_args(annotation)[0])
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    return set().union(*(_leaves(part) for part in parts)) if parts else {annotation}


def values_of(item: Strict) -> dict[str, Any]:
    """{column: value} of one row or estimate; None where there is none."""
    found: dict[str, Any] = {}
    for name in type(item).model_fields:
        value = getattr(item, name)
        if name in _LEFT:
            continue
        if name == "behind":
            low, high = (None, None) if value is None or value.ci95 is None else value.ci95
            found |= {
                "behind": None if value is None else value.nats_per_token, "behind_low": low, "behind_high": high
            }  # fmt: skip
        elif name.startswith("ci95_"):
            low, high = (None, None) if value is None else value
            base = name.removeprefix("ci95_")
            found |= {f"{base}_low": low, f"{base}_high": high}
        else:
            found[name] = value
    return found


def arrow_table(items: Sequence[Strict], kind: type[Strict]) -> pyarrow.Table:
    """A table with a line for each of `items`, all of class `kind`."""
    import pyarrow

    types = {
        bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string(),
        list: pyarrow.list_(pyarrow.string()),
    }  # fmt: skip
    schema = pyarrow.schema([(name, types[each]) for name, each in columns_of(kind).items()])
    return pyarrow.Table.from_pylist([values_of(item) for item in items], schema=schema)
