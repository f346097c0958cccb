"""Several sizes of one net in a run: the loss that a law of model size leaves where the size is without bound."""

from __future__ import annotations

import math

import numpy as np

from lmbench.entropy._ansatz import FEWEST, FORMULAS, REPLICATES, Ansatz, extrapolate
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.record import Entropy, Failure, Record, Row, finite
from lmbench.spec import Spec, parse

SWEEP = "parameters"  # `of` in the curve of a limit
_SIZES = frozenset({"layers", "heads", "width", "hidden", "expansion"})  # options that are a net's size


def size_sweeps(record: Record, ansatz: Ansatz = "power", seed: int = 0) -> list[Entropy | Failure]:
    """For every net that stands in `record` with at least 5 numbers of parameters, the limit of its loss for more.

    Rows belong together where every option but those of size is the same.

    h + A N^-g (or the stretched exponential) is fitted to bits per token against the parameters N, of equal numbers the
    best; a replicate adds the noise of each loss's 95 % interval, and as much again that all have in common, as they
    were tested on the same text. What is left at infinite size on this training text,
    within this budget, is no entropy of the source, but a bound on what size alone can do. A sweep that carries no
    answer becomes a Failure with the reason. Empty where there is no sweep.
    """
    families: dict[str, dict[int, Row]] = {}
    for row in record.rows:
        if row.parameters and row.bits_per_token is not None and not row.control:
            best = families.setdefault(_family(row), {})
            held = best.get(row.parameters)
            if held is None or row.bits_per_token < (held.bits_per_token or math.inf):
                best[row.parameters] = row
    sweeps = {name: rows for name, rows in families.items() if len(rows) >= FEWEST}
    return [_fitted(name, [rows[size] for size in sorted(rows)], ansatz, seed) for name, rows in sweeps.items()]


def _family(row: Row) -> str:
    """The row's SPEC without the options that make its size."""
    spec = parse(row.model)
    options = models.check(spec)[1]
    return str(Spec(spec.name, {key: value for key, value in options.items() if key not in _SIZES}))


def _fitted(name: str, rows: list[Row], ansatz: Ansatz, seed: int) -> Entropy | Failure:
    label = f"{name}, parameters to infinity"
    sizes = np.array([row.parameters or 0 for row in rows], dtype=np.float64)
    values = np.array([row.bits_per_token or 0.0 for row in rows])
    spreads = np.array([_spread(row) for row in rows])
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((REPLICATES, len(rows))) + rng.standard_normal((REPLICATES, 1))
    try:
        found = extrapolate(sizes, values, values + spreads * noise, ansatz, seed)
    except LmbenchError as error:
        return Failure(spec=label, message=f"not extrapolated: {error}")
    per_character, per_byte = (_ratio(rows[-1], unit) for unit in ("character", "byte"))
    low, high = found.limit_interval
    return Entropy(
        estimator=label,
        kind="estimate",
        bits_per_byte=None if per_byte is None else found.limit * per_byte,
        bits_per_character=None if per_character is None else found.limit * per_character,
        bits_per_token=found.limit,
        ci95_bits_per_character=None if per_character is None else (low * per_character, high * per_character),
        seconds=0.0,
        note=f"{FORMULAS[ansatz]} of the parameters n, with {found.parameters}, fitted to the test loss of {len(rows)} "
        f"sizes from {sizes[0]:,.0f} to {sizes[-1]:,.0f}: what size alone leaves, on this training text and budget; "
        "intervals: the test text's sampling error, if the law holds beyond the data",
        curve=finite({"extrapolation": found.json(sizes, values), "of": SWEEP}),
    )


def _spread(row: Row) -> float:
    """The standard error of a row's bits per token, by its interval; 0 where it has none."""
    if row.ci95_nats_per_token is None:
        return 0.0
    low, high = row.ci95_nats_per_token
    return (high - low) / (2 * 1.96 * math.log(2))


def _ratio(row: Row, unit: str) -> float | None:
    """Bits per character or byte to one bit per token."""
    value: float | None = getattr(row, f"bits_per_{unit}")
    return None if value is None or not row.bits_per_token else value / row.bits_per_token
