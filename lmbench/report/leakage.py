"""What of the text held out the training text holds, in words."""

from __future__ import annotations

from lmbench.record import Leakage, Record

MATTERS = 0.01  # share of a text in passages that stand elsewhere too, from which on it is said


def matters(found: Leakage | None) -> bool:
    """Whether a part of the text is held by the training text to an extent that moves figures."""
    return found is not None and max(found.shares.values(), default=0.0) >= MATTERS


def in_words(found: Leakage, most: int = 3) -> str:
    """`29.0% in passages of 50, 11.0% of 100 characters and more (the longest: ...)`, behind the name of the part."""
    shares = [f"{share:.1%} in passages of {length}" for length, share in found.shares.items()]
    named = "; ".join(f"{each.characters:,} from {each.beginning!r}" for each in found.longest[:most])
    said = f"{', '.join(shares)} characters and more"
    return said + (f" (the longest: {named})" if named else "")


def of_parts(record: Record) -> str:
    """That of validation and of test text; empty where it was not looked for."""
    parts = [(name, part.leakage) for name, part in (("valid", record.card.valid), ("test", record.card.test))]
    said = "; ".join(f"{name} {in_words(found)}" for name, found in parts if found is not None)
    return f"the training text holds of {said}" if said else ""
