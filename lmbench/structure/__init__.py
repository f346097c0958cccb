"""Long-range structure of a text: how symbols depend on those far before them, and how its vocabulary grows."""

from __future__ import annotations
