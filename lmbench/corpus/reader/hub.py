"""A set on the datasets hub: each record is a document."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lmbench import machine
from lmbench.corpus.decode import Reading
from lmbench.corpus.reader.base import UnreachableError
from lmbench.corpus.reader.jsonl import field_of
from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress, Task

__all__ = ["Hub"]

_SOURCE = re.compile(r"hf:([\w.-]+(?:/[\w.-]+)?)(?::([\w.+ -]+))?")
_PARTS = {"train": "train", "validation": "valid", "valid": "valid", "val": "valid", "dev": "valid", "test": "test"}
_CLIENTS = ("aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "huggingface_hub", "requests", "urllib3")
_STREAM = 1 << 30  # bytes from which a set is streamed, and not first kept whole in the library's own cache


class Hub:
    """A set on the Hugging Face hub, `hf:owner/name[:config]`, each record a document.

    Read with the `datasets` library; its train, validation and test splits are used where it
    has them. Large sets are streamed. Code that comes with a set is never run.
    """

    def __init__(self, source: str, reading: Reading) -> None:
        found = _SOURCE.fullmatch(source)
        if found is None:
            raise UsageError(f"cannot read {source!r}: a set on the hub is hf:owner/name or hf:owner/name:config")
        self.source = source
        self.repository, self.config = found.groups()
        self.reading = reading
        self.name = self.repository.split("/")[-1]

    @staticmethod
    def claims(source: str) -> bool:
        return source.startswith("hf:")

    def key(self) -> Any:
        return [self.repository, self.config]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        _without_long_waits()
        import datasets

        # What the library would print belongs into one line of ours, or into our own progress.
        datasets.utils.logging.set_verbosity_error()
        datasets.disable_progress_bars()
        with self._explained():
            builder = datasets.load_dataset_builder(self.repository, self.config)
            large = (builder.info.dataset_size or _STREAM) >= _STREAM
            splits = datasets.load_dataset(self.repository, self.config, streaming=large)
            chosen = self._parts(list(splits))
            for split, part in chosen.items():
                size = builder.info.splits[split].num_examples if builder.info.splits else None
                with progress.task(f"reading {self.name} {split}", size or None) as task:
                    texts = self._texts(splits[split], split, task)
                    if self.reading.joined:
                        spools[part].stream(text.encode("utf-8", self.reading.errors) for text in texts)
                        continue
                    for row, text in enumerate(texts, 1):
                        spools[part].add(text, f"{self.source}, {split} {row}", self.reading.errors)
        others = [split for split in splits if split not in chosen]
        return {"notes": [f"splits left out: {', '.join(others)}"] if others else []}

    def _parts(self, splits: list[str]) -> dict[str, str]:
        """Which split is which part; a set without a train split gives its first."""
        known = {split: _PARTS[split] for split in splits if split in _PARTS}
        if "train" in known.values():
            return known
        return {splits[0]: "train"}

    def _texts(self, records: Any, split: str, task: Task) -> Iterator[str]:
        for row, record in enumerate(records, 1):
            task.advance()
            yield field_of(record, f"{self.source}, {split} {row}", self.reading)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The library's many ways to fail, each as one line."""
        import datasets

        try:
            yield
        except LmbenchError:
            raise
        except datasets.exceptions.DatasetNotFoundError as error:
            raise LmbenchError(f"{self.source}: {_first_line(error)}; check the name, or log in to the hub") from None
        except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise LmbenchError(f"{self.source}: cannot be loaded ({_first_line(error)})") from None
        except Exception as error:
            # Whichever HTTP client the library uses this year raises errors of its own.
            if not isinstance(error, ConnectionError) and type(error).__module__.split(".")[0] not in _CLIENTS:
                raise
            raise UnreachableError(f"{self.source}: the hub cannot be reached ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


def _without_long_waits() -> None:
    """Where the hub does not answer, tell its library so: it would try for half a minute.

    A set that the library kept from an earlier run can still be read then.
    """
    if "huggingface_hub" in sys.modules or os.environ.get("HF_HUB_OFFLINE"):
        return
    if not machine.reachable(os.environ.get("HF_ENDPOINT") or "https://huggingface.co"):
        os.environ["HF_HUB_OFFLINE"] = "1"
