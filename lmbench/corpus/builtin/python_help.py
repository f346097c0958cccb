"""What `help()` of the running Python shows: the language reference, and the docstrings of the standard library."""

from __future__ import annotations

import ast
import inspect
import platform
import re
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from lmbench.corpus.builtin._library import library_files, library_root
from lmbench.corpus.passages import without_shared
from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["PythonHelp"]

_VERSION = 1  # of the rule below; part of the key
_SHARED = 100  # characters of a passage that no two documents have in common
_LONGEST = 1500  # characters of a document, where a paragraph is not longer
_APPLICATIONS = frozenset(["idlelib", "lib2to3", "turtledemo"])
_BODIES = ("body", "handlers", "orelse", "finalbody", "cases")


class PythonHelp:
    """The running Python's help: its language reference and its library's docstrings, no passage of 100 twice.

    Documents are the topics of the reference and the docstrings of public modules, classes and functions, cut
    between paragraphs where they are longer than 1,500 characters. Of two that share a passage of 100 characters one
    is left out; topics come before docstrings, and the longest topic first, so that a topic which another holds goes.
    Docstrings are read from source code: no module is imported or run.
    """

    name = "python-help"

    def key(self) -> Any:
        root = library_root()
        return ["python_help", _VERSION, platform.python_implementation(), platform.python_version(), str(root)]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        topics = _topics()
        files = [(path, content) for path, content in library_files() if _public(path)]
        if not topics and not files:
            raise LmbenchError(
                f"{library_root()}: this Python carries neither its help topics (pydoc_data) nor the source code of "
                "its library; pass a text of your own: lmbench run PATH"
            )
        pieces: list[tuple[str, str]] = []  # of which topic or file, and the text
        for name in sorted(topics, key=lambda name: (-len(topics[name]), name)):
            pieces += [(f"topic {name}", piece) for piece in cut_in_pieces(topics[name])]
        with progress.task("reading docstrings", len(files)) as task:
            for path, content in files:
                pieces += [(str(path), piece) for text in docstrings(content) for piece in cut_in_pieces(text)]
                task.advance()
        stay = without_shared([text for _, text in pieces], _SHARED)
        left = [piece for piece, kept in zip(pieces, stay, strict=True) if kept]
        for where, text in sorted(left, key=lambda piece: (not piece[0].startswith("topic "), piece[0])):
            spools.train.add(text, where)
        owners = {where for where, _ in left}
        notes = [self._left_out(len(pieces) - len(left), [name for name in topics if f"topic {name}" not in owners])]
        if not topics:
            notes.append("this Python carries no help topics (pydoc_data): docstrings alone, another text than others'")
        if not files:
            notes.append("this Python carries no source code of its library: help topics alone, a shorter text")
        return {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "topics": sum(owner.startswith("topic ") for owner in owners),
            "modules": sum(not owner.startswith("topic ") for owner in owners),
            "notes": notes,
        }

    @staticmethod
    def _left_out(pieces: int, topics: list[str]) -> str:
        whole = f", and with them the topics {', '.join(sorted(topics))}" if topics else ""
        return f"{pieces:,} pieces that share a passage of {_SHARED} characters with another are left out{whole}"


def docstrings(content: bytes) -> Iterator[str]:
    """The docstrings of a module, its classes and its functions, in the order of the source, without its indentation.

    None where the source is not of this Python's grammar (files of templates and of other versions are not).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on escapes that are none, of the author's
            module = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
            # half of a surrogate pair, as a docstring on encodings may show it, is not text
            text = text.encode("utf-8", "replace").decode("utf-8").strip("\n")
            if text.strip():
                yield text + "\n"
        inside = [child for name in _BODIES for child in getattr(node, name, ())]
        waiting += reversed(inside)


def cut_in_pieces(text: str, longest: int = _LONGEST) -> list[str]:
    """`text` cut between paragraphs, so that no piece of several is longer than `longest`; joined they are the text."""
    pieces: list[str] = []
    for paragraph in re.split(r"(?<=\n\n)(?!\n)", text):
        if pieces and len(pieces[-1]) + len(paragraph) <= longest:
            pieces[-1] += paragraph
        elif paragraph:
            pieces.append(paragraph)
    return pieces


def _public(path: PurePosixPath) -> bool:
    """Whether a file is a module that its users are meant to import."""
    names = (*path.parts[:-1], path.stem)
    return path.parts[0] not in _APPLICATIONS and not any(name.startswith("_") for name in names if name != "__init__")


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return {}
    return dict(topics)
