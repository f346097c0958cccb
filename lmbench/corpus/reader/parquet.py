"""A parquet file: each row is a document."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmbench.corpus.compression import bare_suffix, compressed, open_binary, readable
from lmbench.corpus.reader.jsonl import field_of
from lmbench.corpus.reader.text import TextFile
from lmbench.corpus.spool import Spools
from lmbench.disk import PREFIX, naming
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["Parquet"]


class Parquet(TextFile):
    """A parquet file, each row a document: the text is in the column that `--text-field` names."""

    @staticmethod
    def claims(source: str) -> bool:
        return bare_suffix(Path(source)) == ".parquet" and Path(source).is_file()

    def in_place(self, progress: Progress) -> None:
        return None

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        import pyarrow
        import pyarrow.parquet

        field, errors = self.reading.text_field, self.reading.errors
        with readable(self.path), self._seekable() as path:
            try:
                with pyarrow.parquet.ParquetFile(path) as file:
                    column = self._check_column(file.schema_arrow, field)
                    with progress.task(f"reading {self.path.name}", file.metadata.num_rows) as task:
                        row = 0
                        for batch in file.iter_batches(batch_size=1024, columns=[column]):
                            for value in batch.column(column).to_pylist():
                                row += 1
                                where = f"{self.path}, row {row}"
                                spools.train.add(field_of({column: value}, where, self.reading), where, errors)
                            task.advance(batch.num_rows)
            except pyarrow.ArrowException as error:
                reason = str(error).splitlines()[0]
                raise LmbenchError(f"{self.path}: damaged or not parquet data ({reason}); fetch it again") from None
        return {}

    def _check_column(self, schema: Any, field: str) -> str:
        """The column that holds `field`, which may lie inside it. Raises LmbenchError where there is none of text."""
        import pyarrow

        there = f"(there are: {', '.join(schema.names)})"
        column = max((name for name in schema.names if _inside(field, name)), key=len, default=None)
        if column is None:
            raise LmbenchError(f"{self.path}: no column {field!r}; name one with --text-field {there}")
        if column != field:
            return str(column)
        kind = schema.field(field).type
        kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or str(kind) == "string_view"):
            raise LmbenchError(
                f"{self.path}: column {field!r} holds {kind}, not text; name another with --text-field {there}"
            )

        return field

    @contextmanager
    def _seekable(self) -> Iterator[Path]:
        """The file itself, or a decompressed copy: parquet is read from its end."""
        if not compressed(self.path):
            yield self.path
            return
        with tempfile.NamedTemporaryFile(prefix=PREFIX, suffix=".parquet") as copy:
            with naming(Path(copy.name)), open_binary(self.path) as stream:
                shutil.copyfileobj(stream, copy, 1 << 20)
                copy.flush()
            yield Path(copy.name)


def _inside(field: str, column: str) -> bool:
    """Whether `field` is `column`, or a path that begins with it."""
    return field == column or field.startswith((f"{column}.", f"{column}["))
