"""From what the user calls a source to a corpus: its text, and a card that says where the text is from."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lmbench.corpus import manifest as manifests
from lmbench.corpus.builtin import builtins
from lmbench.corpus.cache import cached, check, key_of, publish
from lmbench.corpus.decode import Errors, Reading
from lmbench.corpus.reader import readers
from lmbench.corpus.reader.base import InPlace, UnreachableError
from lmbench.corpus.spool import Spools, spooled
from lmbench.corpus.text import Text, lines_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.invocation import typed
from lmbench.progress import Progress, Silent
from lmbench.spec import parse

if TYPE_CHECKING:
    from lmbench.corpus.reader.base import Reader, Source

_FORMAT = 1  # of what a spool writes; part of the key, so that older entries are not taken for today's
_PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Corpus:
    """A text and where it is from. `valid` and `test` are the source's own, None where it has none.

    `card`: `source`, `licence`, `hash`, `documents`, `bytes`, `characters`, `lines`, `notes`
    (sentences), `published` (`manifest.Known`) where others have scored on it, and what else is known, such as
    `truth_bits_per_character`.
    """

    name: str
    text: Text
    card: dict[str, Any]
    valid: Text | None = None
    test: Text | None = None
    manifest: manifests.Manifest | None = None


def open_source(
    source: str,
    *,
    lines: bool = False,
    encoding: str | None = None,
    errors: Errors = "strict",
    text_field: str = "text",
    cache: Path,
    progress: Progress | None = None,
) -> Corpus:
    """The corpus that `source` names.

    `source`: a manifest's name, a path (a text file, a folder of them, `.jsonl`, `.parquet`, each
    also compressed), `hf:owner/name[:config]`, a URL, `-` for standard input, or the SPEC of a
    built-in source such as `markov(order=3)`. `lines`: each non-empty line is a document.
    `encoding` and `errors` are those of `bytes.decode`; without them anything but UTF-8 is refused.
    What cannot be used where it lies is written once, as UTF-8, into `cache`.

    Raises UsageError where there is no such source, LmbenchError where it cannot be read or holds
    no text; either names the file, the place and the remedy.
    """
    progress = progress or Silent()
    known = manifests.manifest(source) if source in manifests.names() else None
    if known is not None:
        text_field = known.text_field if text_field == "text" else text_field
    reading = Reading(encoding, errors, text_field, joined=known is not None and known.joined)
    try:
        name, parts, facts = _read(known.source if known else source, reading, cache / "corpus", progress)
    except UnreachableError as error:
        more = f" (see {known.reference})" if known is not None and known.reference else ""
        raise LmbenchError(f"{error}; fetch it elsewhere{more} and pass its path in place of {source!r}") from error
    if not parts["train"].bytes:
        raise LmbenchError(f"{source}: empty; pass a source that has text in it")
    if known is not None and known.hash is not None:
        _check_hash(parts["train"], known)
    notes: list[str] = [*(known.notes if known else ()), *facts.pop("notes", [])]
    same = known or _recognised(parts["train"])
    if same is not None and same.published:
        facts["published"] = [each.model_dump() for each in same.published]
    if lines:
        cut = {part: lines_of(text) for part, text in parts.items()}
        parts = {part: text for part, (text, _, _) in cut.items()}
        empty = sum(count for _, count, _ in cut.values())
        kinds = Counter[str]()
        for _, _, found in cut.values():
            kinds.update(found)
        facts["line_ends"] = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none"
        notes += [f"{empty:,} empty lines left out"] if empty else []
        if not parts["train"].bytes:
            raise LmbenchError(f"{source}: nothing but empty lines; pass a source that has text in it")
    text = parts["train"]
    card = {
        "source": (known.source if known else source),
        "licence": known.licence if known else None,
        "hash": text.hash,
        "documents": len(text.starts),
        "bytes": text.bytes,
        "characters": text.characters,
        "lines": lines,
        **({"encoding": reading.codec, "errors": errors} if not reading.exact else {}),
        **facts,
        "notes": notes,
    }
    return Corpus(known.name if known else name, text, card, parts.get("valid"), parts.get("test"), known)


def _read(
    source: str, reading: Reading, cache: Path, progress: Progress
) -> tuple[str, dict[str, Text], dict[str, Any]]:
    """The source's name, its parts, and what its reader says of it."""
    opened = _source(source, reading)
    if isinstance(opened, InPlace):
        text = opened.in_place(progress)
        if text is not None:
            return opened.name, {"train": text}, {}

    def build(folder: Path) -> None:
        spools = Spools(folder)
        try:
            facts = opened.write(spools, progress)
        finally:
            spools.close()
        if spools.empty:
            facts["notes"] = [*facts.get("notes", []), f"{spools.empty:,} empty documents left out"]
        if not (folder / "train").is_dir():
            raise LmbenchError(f"{source}: empty; pass a source that has text in it")
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    state = opened.key()
    if state is None:
        entry = publish(cache, _content_key, build)
        check(entry)
        parts, facts = _load(entry)
    else:
        key = key_of(_FORMAT, type(opened).__name__, state, vars(reading))
        parts, facts = cached(cache, key, build, _load)
    return opened.name, parts, facts


def _load(entry: Path) -> tuple[dict[str, Text], dict[str, Any]]:
    facts: dict[str, Any] = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    return {part: spooled(entry / part) for part in _PARTS if (entry / part).is_dir()}, facts


def _content_key(folder: Path) -> str:
    return key_of(_FORMAT, spooled(folder / "train").hash)


def _source(source: str, reading: Reading) -> Source:
    """The reader or the built-in source that `source` stands for. Raises UsageError where there is none."""
    for name in readers.names:
        kind: type[Reader] = readers.load(name)
        if kind.claims(source):
            return kind(source, reading)
    path = Path(source)
    if path.exists():
        return cast("Source", readers.load("text")(source, reading))
    if source.split("(")[0].strip() in builtins.names:
        return cast("Source", builtins.make(parse(source)))
    raise _missing(source, path)


def _recognised(text: Text) -> manifests.Manifest | None:
    """The manifest whose text this is, whatever it was called."""
    alike = [known for known in manifests.corpora() if known.hash is not None and known.bytes == text.bytes]
    return next((known for known in alike if _digest(text) == known.hash), None)


def _digest(text: Text) -> str:
    digest = hashlib.sha256()
    for window in text.contents():
        digest.update(np.ascontiguousarray(window).data)
    return digest.hexdigest()


def _check_hash(text: Text, known: manifests.Manifest) -> None:
    found = _digest(text)
    if found != known.hash:
        raise LmbenchError(
            f"{known.name}: {known.source} does not hold the text that the manifest knows "
            f"(SHA-256 {found}, expected {known.hash}); pass the path of a good copy"
        )


def _missing(source: str, path: Path) -> UsageError:
    for known in manifests.corpora():
        if source in known.formerly:
            return UsageError(
                f"the corpus {source!r} is no more: {known.name!r} has taken its place, which is another text, so that "
                f"figures of the two do not compare; pass {known.name}"
            )
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    near = [typed(path.parent / name) for name in difflib.get_close_matches(path.name, beside, n=2)]
    near += difflib.get_close_matches(source, manifests.names(), n=2)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    folder = f" (there is no folder {str(path.parent)!r})" if not path.parent.is_dir() else ""
    return UsageError(
        f"there is no file and no corpus {source!r}{folder}{hint} (known corpora: {', '.join(manifests.names())})"
    )
