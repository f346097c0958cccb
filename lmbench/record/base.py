"""What all parts of a record share: numbers that can be drawn, and what is checked of a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

Count = Annotated[int, Field(ge=0, le=1 << 53)]
Figure = Annotated[float, Field(ge=-1e15, le=1e15)]  # what can still be drawn and added up
_LARGEST = 1e30  # of a number in a curve: operations of a training are many


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def values_of(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ValueError("a curve's column is no list")
    return value


def numbers(values: list[JsonValue], known: bool = False) -> None:
    """Raises ValueError where one of them is no number of a size that can be drawn, nor, unless `known`, null."""
    for value in values:
        if isinstance(value, bool) or not (isinstance(value, int | float) or (value is None and not known)):
            raise ValueError("a curve has what is no number")
        if value is not None and not -_LARGEST <= value <= _LARGEST:
            raise ValueError("a number of a curve is too large")


def columns(curve: dict[str, JsonValue], names: tuple[str, ...]) -> None:
    columns = [values_of(curve.get(name)) for name in names]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"{', '.join(names)} are not of one length")
    for name, column in zip(names, columns, strict=True):
        if name == "reliable":
            if not all(isinstance(value, bool) for value in column):
                raise ValueError("reliable is neither true nor false")
        else:
            numbers(column, known=name != "bits_per_character")


def finite(values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """`values` as JSON: every infinite or NaN number in it is null, numpy's numbers are plain, keys are text."""
    return {str(key): _finite(value) for key, value in values.items()}


def _finite(value: Any) -> JsonValue:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return finite(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def first_fault(error: ValidationError) -> str:
    """Where a record is not one, and what is wrong there: `rows.0.tokens: Input should be a valid integer`."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg'].removeprefix('Value error, ')}"
