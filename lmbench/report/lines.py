"""Models and estimates as lines of one table, best first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import stdev

from lmbench.record import Entropy, Record, Row, Split
from lmbench.report import format as form
from lmbench.score.interval import ONE_DOCUMENT

CONTROL = "control"
LIMIT = "limit of size"
REPEATS = "estimate, repeats"  # that passages which the text holds twice pull down
_APART = {REPEATS: 1, CONTROL: 2}  # kinds that stand behind all others

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of the table. `low` and `high` bound `bits_per_byte`, `interval` is the same in bits per character."""

    name: str
    kind: str
    nats_per_token: float | None
    bits_per_character: float | None
    bits_per_byte: float | None
    low: float | None
    high: float | None
    interval: Bounds | None = None
    row: Row | None = None


def lines_of(record: Record) -> list[Line]:
    """Every row and every estimate, by bits per byte; where the tokenizer loses text by nats per token first.

    What has neither stands last; behind all that is compared stand estimates that repeated passages pull down, and then
    controls.
    """
    test = record.card.test
    found = [_of_row(row, test) for row in record.rows] + [_of_estimate(each, test) for each in record.entropy]

    def order(line: Line) -> tuple[int, float, float]:
        per_byte = math.inf if line.bits_per_byte is None else line.bits_per_byte
        per_token = math.inf if line.nats_per_token is None else line.nats_per_token
        apart = _APART.get(line.kind, 0)
        return (apart, per_byte, per_token) if record.card.lossless else (apart, per_token, per_byte)

    return sorted(found, key=order)


def _of_row(row: Row, test: Split) -> Line:
    low, high = row.ci95_bits_per_byte or (None, None)
    kind = "model" if row.distribution else "score"
    kind = "adaptive model" if row.adaptive else kind
    scale = _characters_per_byte(row, test)
    return Line(
        name=row.model,
        kind=CONTROL if row.control else kind,
        nats_per_token=row.nats_per_token,
        bits_per_character=row.bits_per_character,
        bits_per_byte=row.bits_per_byte,
        low=low,
        high=high,
        interval=None if low is None or high is None or not scale else (low / scale, high / scale),
        row=row,
    )


def _of_estimate(entropy: Entropy, test: Split) -> Line:
    bounds, scale = entropy.ci95_bits_per_character, _characters_per_byte(entropy, test)
    low, high = (None, None) if bounds is None or scale is None else (bounds[0] * scale, bounds[1] * scale)
    nats = entropy.bits_per_token * math.log(2) if entropy.bits_per_token is not None else None
    kind = LIMIT if entropy.curve.get("of") == "parameters" else entropy.kind  # a law of model size, not of the source
    return Line(
        name=entropy.estimator if entropy.repeats is None else f"{entropy.estimator}, {entropy.repeats:.0%} repeats",
        kind=kind if entropy.repeats is None else REPEATS,
        nats_per_token=nats,
        bits_per_character=entropy.bits_per_character,
        bits_per_byte=entropy.bits_per_byte,
        low=low,
        high=high,
        interval=bounds,
    )


def _characters_per_byte(figure: Row | Entropy, test: Split) -> float | None:
    """Of the text that `figure` was taken from, as its two units tell; of the test text where it is 0."""
    if figure.bits_per_byte is None or figure.bits_per_character is None:
        return None
    if figure.bits_per_character == 0:
        return test.characters / max(1, test.bytes)
    return figure.bits_per_byte / figure.bits_per_character


@dataclass(frozen=True)
class Column:
    """A column of the table: of two that do not both fit, the one with the lower `rank` stays. `about` explains it."""

    header: str
    rank: int
    about: str
    cells: list[str]
    page: tuple[str, list[str]] | None = None  # another header and other cells where there is room
    values: list[float | None] | None = None  # by which a page sorts the cells; None: by their text

    @property
    def empty(self) -> bool:
        return all(cell == form.NOTHING for cell in self.cells)


def columns_of(lines: list[Line], leaks: bool = False) -> list[Column]:
    """Every column that has something in it, in the order in which they are shown.

    `leaks`: whether the training text holds so much of the test text that it matters.
    """
    rows = [line.row for line in lines]

    def of_rows(show: object) -> list[str]:
        assert callable(show)
        return [form.NOTHING if row is None else show(row) for row in rows]

    def numbers(of: Callable[[Row], float | None]) -> list[float | None]:
        return [None if row is None else of(row) for row in rows]

    columns = [
        Column("kind", 3, "", [_kind(line) for line in lines]),
        Column(
            "nats/token",
            1,
            "cross-entropy of the test text, lower is better",
            [_nats(line) for line in lines],
            values=[line.nats_per_token for line in lines],
        ),
        Column(
            "± 95 %",
            4,
            "half its interval" + (", for this document alone" if _one_document(rows) else ""),
            of_rows(lambda row: form.half_width(row.ci95_nats_per_token, 4)),
            ("95 % interval", of_rows(lambda row: form.interval(row.ci95_nats_per_token, 4))),
            numbers(lambda row: _span(row.ci95_nats_per_token)),
        ),
        Column(
            "behind best",
            11,
            "nats/token above the best model, ± 95 % paired",
            of_rows(_behind),
            values=numbers(lambda row: None if row.behind is None else row.behind.nats_per_token),
        ),
        Column(
            "verified",
            3,
            "the first tokens of the test text were coded into the bits of their score, and decoded again",
            of_rows(lambda row: form.NOTHING if row.verified is None else "yes"),
        ),
        Column("seeds", 4, "trainings, and the standard deviation of their nats/token", of_rows(_seeds)),
        Column(
            "bits/char",
            9,
            "per character",
            [form.fixed(line.bits_per_character, 3) for line in lines],
            values=[line.bits_per_character for line in lines],
        ),
        Column(
            "bits/byte",
            2,
            "per byte of text, whatever the tokens",
            [form.fixed(line.bits_per_byte, 3) for line in lines],
            values=[line.bits_per_byte for line in lines],
        ),
        Column(
            "unshared",
            6,
            "nats/token outside passages of 50 characters and more that training holds",
            of_rows(lambda row: form.fixed(row.unshared_nats_per_token, 4)) if leaks else [form.NOTHING] * len(lines),
            values=numbers(lambda row: row.unshared_nats_per_token),
        ),
        Column(
            "unknown",
            2,
            "share of the test tokens whose text is lost",
            of_rows(_unknown),
            values=numbers(lambda row: row.unknown_share),
        ),
        Column(
            "perplexity",
            10,
            "e to the nats/token",
            of_rows(lambda row: form.perplexity(row.perplexity)),
            values=numbers(lambda row: row.perplexity),
        ),
        Column(
            "per word",
            13,
            "e to the nats/word of the text",
            of_rows(lambda row: form.perplexity(row.word_perplexity)),
            values=numbers(lambda row: row.word_perplexity),
        ),
        Column("size", 5, "n-grams stored or parameters", of_rows(_size), values=numbers(_entries)),
        Column(
            "on disk",
            8,
            "the fitted model",
            of_rows(lambda row: form.size(row.bytes_on_disk)),
            values=numbers(lambda row: row.bytes_on_disk),
        ),
        Column(
            "fit",
            6,
            "time to count or to train",
            of_rows(lambda row: form.seconds(row.fit_seconds)),
            values=numbers(lambda row: row.fit_seconds),
        ),
        Column(
            "tokens/s",
            7,
            "in scoring",
            of_rows(lambda row: form.rate(row.tokens, row.score_seconds)),
            values=numbers(lambda row: row.tokens / row.score_seconds if row.score_seconds > 0 else None),
        ),
        Column(
            "memory",
            12,
            "the most held at once",
            of_rows(lambda row: form.size(row.peak_memory_bytes)),
            values=numbers(lambda row: row.peak_memory_bytes),
        ),
    ]
    return [column for column in columns if not column.empty]


def _one_document(rows: list[Row | None]) -> bool:
    return any(row is not None and row.blocks == ONE_DOCUMENT for row in rows)


def _kind(line: Line) -> str:
    """What is no distribution shows its mean score here: it has no place in a column of cross-entropies."""
    mean = line.row.mean_nats if line.row and not line.row.distribution else None
    return line.kind if mean is None else f"{line.kind} {mean:.3f}"


def _nats(line: Line) -> str:
    if line.row is not None and line.row.zero_probability_tokens and line.row.distribution:
        return "∞"
    return form.fixed(line.nats_per_token, 4)


def _unknown(row: Row) -> str:
    """Of a tokenizer that loses text: the more it loses, the better its figures per token look."""
    kept = row.bits_per_byte is not None
    return form.NOTHING if kept or row.unknown_share is None else f"{row.unknown_share:.1%}"


def _behind(row: Row) -> str:
    if row.behind is None:
        return form.NOTHING
    return form.signed(row.behind.nats_per_token, row.behind.ci95)


def _seeds(row: Row) -> str:
    """`3, ± 0.0123`."""
    values = [each.nats_per_token for each in row.seeds if each.nats_per_token is not None]
    return f"{len(values)}, ± {stdev(values):.4f}" if len(values) > 1 else form.NOTHING


def _span(interval: Bounds | None) -> float | None:
    return None if interval is None else interval[1] - interval[0]


def _entries(row: Row) -> float | None:
    return (
        None
        if row.parameters is None and row.stored_ngrams is None
        else (row.parameters or 0) + (row.stored_ngrams or 0)
    )


def _size(row: Row) -> str:
    """Parameters of a net, stored n-grams of tables; a model may have both."""
    parts = []
    if row.parameters is not None:
        parts.append(f"{form.count(row.parameters)} par.")
    if row.stored_ngrams is not None:
        parts.append(f"{form.count(row.stored_ngrams)} n-gr.")
    return ", ".join(parts) or form.NOTHING
