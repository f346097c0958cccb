"""Kneser-Ney with one discount per order."""

from __future__ import annotations

from lmbench.smoothing._discounting import OneDiscount

__all__ = ["OriginalKneserNey"]


class OriginalKneserNey(OneDiscount):
    """Kneser-Ney with one discount per order, interpolated; lower orders from continuation counts.

    Kneser & Ney 1995; Chen & Goodman 1998, equation 23: absolute discounting whose lower
    orders count distinct left neighbours, N1+(. w), in place of occurrences: a token that
    follows only one other is not likely after a third, however frequent. D = n1 / (n1 + 2 n2)
    for each order, tuned on validation where there is no n1 or n2.
    Worked example: "a b a b a c": the unigrams a, b, c and the end have 2, 1, 1, 1 left neighbours,
    and so (with D = 3/5) p(b) = (1 - 3/5) / 5 + 3/5 * 4/5 * 1/V.

    Args:
        discount: the same for every order, between 0 and 1; none: by the formula, order by order
    """

    normalised = True
    smoothed = True

    def __init__(self, discount: float | None = None) -> None:
        super().__init__("Kneser-Ney", discount, adjusted=True)
