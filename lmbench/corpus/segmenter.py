"""The words of a text whose script puts no spaces between them, by ICU (Unicode Standard Annex 29 and dictionaries).

ICU finds the words of Chinese and Japanese, Thai, Lao, Khmer and Burmese in dictionaries that come with it.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from lmbench.errors import UsageError
from lmbench.invocation import install

_PACKAGE = "icu4py"


def segments(text: str) -> list[str]:
    """`text` cut where ICU sees the end of a word: words, marks and white space, which joined are `text` again.

    Raises UsageError where the package icu4py is not installed.

    >>> segments("猫である。")  # doctest: +SKIP
    ['猫', 'で', 'ある', '。']
    """
    return list(_icu().breakers.WordBreaker(text, "root"))


def name() -> str:
    """What cuts the words, for the card: `ICU 78.2 (icu4py 1.2.0)`."""
    return f"ICU {_icu().icu_version} ({_PACKAGE} {importlib.metadata.version(_PACKAGE)})"


def _icu() -> Any:
    try:
        import icu4py
        import icu4py.breakers
    except ImportError as error:
        raise UsageError(
            f"the words of this text, which no spaces separate, need the package {_PACKAGE}: {install(_PACKAGE)}"
        ) from error
    return icu4py
