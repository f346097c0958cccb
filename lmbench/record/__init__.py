"""What a run leaves behind, as data: the protocol card, and the rows under it; validated whenever read or written.

`python -m lmbench.record` prints the JSON schema of record.json.
"""

from __future__ import annotations

from lmbench.record.base import Count, Figure, finite, first_fault
from lmbench.record.card import Card, Leakage, Mismatch, Passage, Split, comparable
from lmbench.record.entropy import Entropy, Shannon, ShannonPoint
from lmbench.record.row import Behind, Drift, Pass, Proof, Row, SeedScore
from lmbench.record.series import Approximation, Series
from lmbench.record.where import GroupOfTokens, TokensBy, Where
from lmbench.record.whole import FORMAT, Failure, Record, schema

__all__ = [
    "FORMAT",
    "Approximation",
    "Behind",
    "Card",
    "Count",
    "Drift",
    "Entropy",
    "Failure",
    "Figure",
    "GroupOfTokens",
    "Leakage",
    "Mismatch",
    "Pass",
    "Passage",
    "Proof",
    "Record",
    "Row",
    "SeedScore",
    "Series",
    "Shannon",
    "ShannonPoint",
    "Split",
    "TokensBy",
    "Where",
    "comparable",
    "finite",
    "first_fault",
    "schema",
]
