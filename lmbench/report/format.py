"""Numbers as a reader wants them."""

from __future__ import annotations

NOTHING = "–"


def fixed(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int) -> str:
    return NOTHING if bounds is None else f"{bounds[0]:.{digits}f} – {bounds[1]:.{digits}f}"


def half_width(bounds: tuple[float, float] | None, digits: int) -> str:
    """Half of what an interval spans, without the sign: `0.0213`."""
    return NOTHING if bounds is None else f"{(bounds[1] - bounds[0]) / 2:.{digits}f}"


def signed(value: float | None, bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """A difference and the half-width of its interval: `+0.123 ± 0.004`."""
    if value is None:
        return NOTHING
    half = "" if bounds is None else f" ± {(bounds[1] - bounds[0]) / 2:.{digits}f}"
    return f"{value:+.{digits}f}{half}"


def perplexity(value: float | None) -> str:
    """Two decimals where they mean something: 4.30, 141.19, 12,345, 1.2e+08."""
    if value is None:
        return NOTHING
    return f"{value:,.2f}" if value < 1e3 else f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def shortened(name: str, longest: int) -> str:
    """`name` with its middle left out where it has more than `longest` characters: specs often differ at their ends.

    >>> shortened("ngram(order=4, smoothing=witten_bell)", 20)
    'ngram(order=4…_bell)'
    """
    end = longest // 3
    return name if len(name) <= longest else f"{name[: longest - end - 1]}…{name[-end:]}"


def cut_at_end(text: str, columns: int) -> str:
    """`text`, or as much of it as `columns` of a terminal hold, an ellipsis the last of them; wide characters take two.

    >>> cut_at_end("smoothed by hand", 9)
    'smoothed…'
    """
    from rich.cells import cell_len, chop_cells

    return text if cell_len(text) <= columns else chop_cells(text, max(1, columns - 1))[0].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """`1 document`, `2,300 documents`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def count(value: int | None) -> str:
    """`812`, `9,876`, then three figures: `12.3 k`, `1.23 M`, `4.56 G`."""
    if value is None:
        return NOTHING
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= max(scale, 9_999.5):
            return f"{value / scale:.3g} {letter}"
    return f"{value:,}"


def size(value: int | None) -> str:
    """Bytes, in powers of 1000: `812 B`, `12.3 kB`, `4.5 MB`."""
    if value is None:
        return NOTHING
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def seconds(value: float | None) -> str:
    """`0.12 s`, `4.5 s`, `1:23`, `2:03:04`."""
    if value is None:
        return NOTHING
    if value < 59.95:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(items: int, duration: float) -> str:
    """Items a second, to three figures: `812`, `45.6 k`, `1.23 M`."""
    if duration <= 0:
        return NOTHING
    value = items / duration
    for scale, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= scale:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.3g}"
