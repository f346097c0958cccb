"""Absolute discounting."""

from __future__ import annotations

from lmbench.smoothing._discounting import OneDiscount

__all__ = ["Absolute"]


class Absolute(OneDiscount):
    """Absolute discounting, interpolated: one discount per order, taken off every count.

    Ney, Essen & Kneser 1994; Chen & Goodman 1998, section 2.6:
    p(w | h) = max(c(hw) - D, 0) / c(h.) + D N1+(h.) / c(h.) p(w | h'), down to 1/V, with
    D = n1 / (n1 + 2 n2) for each order, tuned on validation where there is no n1 or n2.
    Worked example: after h come a (3) and b (1), D = 0.5: p(a | h) = 2.5/4 + 0.5 * 2/4 p(a | h').

    Args:
        discount: the same for every order, between 0 and 1; none: by the formula, order by order
    """

    normalised = True
    smoothed = True

    def __init__(self, discount: float | None = None) -> None:
        super().__init__("absolute", discount, adjusted=False)
