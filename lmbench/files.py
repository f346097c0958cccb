"""The files of a run, opened: a run may be a stranger's, and none of its files is believed.

Every loader reads through this module. A file is opened where it lies: nothing that a name says, and no symbolic
link, leads out of its folder. What a file declares is held against its size before memory is taken for it: JSON by
bytes, values and depth, an array's shape and a tensor file's by the bytes that are there. Numbers that will be used
as indices, and those that have to be finite, are looked at here too, by `index`, `within`, `ascending` and `numbers`.

The functions raise ValueError or OSError, which `whole` turns into one line with the name of the file.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from lmbench.errors import LmbenchError, UsageError
from lmbench.machine import out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 1 << 23  # bytes of JSON: the settings of a model
LARGE = 1 << 28  # of a vocabulary
MOST_TOKENS = 1 << 24  # types of a vocabulary
_DEPTH = 60
_VALUES = 1 << 18  # in a small file of JSON
_TENSORS = 1 << 16
_ARRAY_HEADER = 1000  # bytes
_ARRAY = re.compile(
    r"\{'descr': '([<>|=][a-z][0-9]{1,2})', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]{1,19}, ?)*[0-9]{0,19})\), \} *\n"
)
_CHUNK = 1 << 22  # numbers looked at together

FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError, RuntimeError)
"""What reading, or making something of what was read, raises where a file is not what was saved."""


@contextmanager
def whole(path: Path, what: str, remedy: str = "fit it again") -> Iterator[None]:
    """Says in one line that `path`, read within the block, is not what was saved, or that nothing can be made of it."""
    try:
        yield
    except (*FAULTS, SafetensorError, UsageError) as error:
        if out_of_memory(error):
            raise
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise LmbenchError(f"{path}: not a whole saved {what} ({' '.join(reason.split())[:300]}); {remedy}") from error


def inside(folder: Path, *names: str) -> Path:
    """FOLDER/NAMES, for names that may be a stranger's.

    Raises LmbenchError where that is no place within FOLDER, symbolic links followed (FOLDER itself may be one).
    """
    try:
        path = folder.joinpath(*names)
        leads_out = folder.resolve() not in path.resolve().parents
    except (ValueError, TypeError, OSError, RuntimeError) as error:  # a zero byte, a link to itself
        raise LmbenchError(f"{folder}: {'/'.join(map(str, names))!r} is no place in it ({error})") from error
    if leads_out:
        raise LmbenchError(f"{path} leads out of {folder}: a run reads nothing but the files in its own folder")
    return path


def sealed(folder: Path, most: int = 10_000) -> Path:
    """`folder`, for a library that opens its files itself.

    Raises LmbenchError where one of them leads out of it or is no regular file.
    """
    seen = 0
    for home, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = inside(folder, str(Path(home, name).relative_to(folder)))
            seen += 1
            if seen > most or not (path.is_file() or path.is_dir()):
                raise LmbenchError(f"{path}: neither a file nor a folder, or one too many")
    return folder


def size_of(path: Path) -> int:
    """Bytes of a file that lies in its folder. Raises LmbenchError or OSError where it does not, ValueError for a
    pipe, a device or a folder."""
    status = inside(path.parent, path.name).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    return status.st_size


def bytes_on_disk(folder: Path) -> int:
    """Bytes of all files below `folder`; symbolic links are not followed."""
    return sum(Path(home, name).lstat().st_size for home, _, names in os.walk(folder) for name in names)


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file. Raises ValueError where it has more than `most` bytes."""
    size = size_of(path)
    if size > most:
        raise ValueError(f"{size:,} bytes, of which at most {most:,} are read")
    with path.open("rb") as file:
        return file.read(size + 1)  # Python takes memory for all that is asked for


def read_json(path: Path, most: int = SMALL, finite: bool = True) -> Any:
    """The value in a file of JSON, no larger, deeper or of more parts than such a file is; within `whole`.

    `most`: bytes. `finite`: NaN and Infinity, which Python writes, are refused.
    """
    return parse_json(read_bytes(path, most), most, finite)


def parse_json(data: bytes, most: int = SMALL, finite: bool = True) -> Any:
    """As `read_json`, of the bytes themselves."""
    values = _VALUES if most <= SMALL else most // 4
    opened = data.count(b"[") + data.count(b"{")
    if len(data) > most or data.count(b",") + opened > values:
        raise ValueError(f"more than {most:,} bytes or {values:,} values of JSON")
    text = data.decode("utf-8")
    value = json.loads(text, parse_constant=_no_number) if finite else json.loads(text)
    if opened > _DEPTH:
        _shallow(value)
    if b"\\u" in data:  # half of a pair of surrogates is no character, and cannot be written
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _shallow(value: Any) -> None:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"JSON nested more than {_DEPTH} deep")


def field(content: Any, name: str, kind: type[Any] | tuple[type[Any], ...]) -> Any:
    """`content[name]`, an object's member, of type `kind`; true and false count as no number. Raises ValueError."""
    if not isinstance(content, dict) or name not in content:
        raise ValueError(f"no {name}")
    value = content[name]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{name} is of another type")
    return value


def whole_number(content: Any, name: str, low: int, high: int) -> int:
    """`content[name]`, a whole number from `low` to `high`. Raises ValueError."""
    value: int = field(content, name, int)
    if not low <= value <= high:
        raise ValueError(f"{name} is not within {low:,} to {high:,}")
    return value


def numbers(value: Any, shape: tuple[int, ...], low: float = -math.inf, high: float = math.inf) -> NDArray[np.float64]:
    """Nested lists as an array of `shape`, every number finite and within `low` .. `high`. Raises ValueError."""
    array = np.array(value)
    if array.dtype.kind not in "iuf" or array.shape != shape:
        raise ValueError(f"not numbers of shape {shape}")
    found = array.astype(np.float64)
    if not (np.isfinite(found) & (found >= low) & (found <= high)).all():
        raise ValueError(f"a number is not finite, or not within {low:g} to {high:g}")
    return found


def open_array(path: Path, kinds: Sequence[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The array of a .npy file, mapped and not to be written to.

    `kinds`: the types that it may have; `shape`: its lengths, None for any. Raises ValueError where it is another
    one, or the file has not exactly the bytes that it declares.
    """
    size = size_of(path)
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError("not a .npy file of version 1 or 2")
        length = int.from_bytes(file.read(2 * version[0]), "little")
        # as numpy writes it; numpy itself reads any Python literal, with the errors and warnings of Python's parser
        header = _ARRAY.fullmatch(file.read(min(length, _ARRAY_HEADER)).decode("latin-1"))
        offset = file.tell()
    if header is None:
        raise ValueError("not the header of an array")
    found = tuple(int(number) for number in header[3].split(",") if number.strip())
    dtype = next((np.dtype(kind) for kind in kinds if np.dtype(kind).str == header[1]), None)
    if dtype is None or (header[2] == "True" and len(found) > 1):
        raise ValueError(f"holds {header[1]}")
    if len(found) != len(shape) or any(want not in (None, has) for has, want in zip(found, shape, strict=True)):
        raise ValueError(f"is of shape {found}, not {shape}")
    if min(found, default=0) < 0 or math.prod(found) * dtype.itemsize != size - offset:
        raise ValueError(f"has {size - offset:,} bytes, not those of {dtype} {found}")
    if 0 in found:
        return np.zeros(found, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=found)


def read_array(path: Path, kinds: Sequence[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """As `open_array`, in memory."""
    return np.array(open_array(path, kinds, shape))


def tensor_header(path: Path, most: int = SMALL) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """The shapes that a safetensors file declares, and its metadata; its tensors unread.

    `most`: bytes of the header. Raises ValueError where they are no shapes, or the metadata no texts.
    """
    size = size_of(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(most, size - 8):
            raise ValueError("cut, or not a safetensors file")
        header = parse_json(file.read(length), most)
    if not isinstance(header, dict):
        raise ValueError("not a safetensors file")
    shapes = {}
    metadata = field(header, "__metadata__", dict) if "__metadata__" in header else {}
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("metadata that is no text")
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = field(entry, "shape", list)
        if not all(isinstance(length, int) and 0 <= length < 1 << 40 for length in shape):
            raise ValueError(f"{name} has no shape")
        shapes[name] = tuple(shape)
    if len(shapes) > _TENSORS:
        raise ValueError(f"holds {len(shapes):,} tensors")
    return shapes, metadata


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes that a safetensors file declares, as `tensor_header` has them."""
    return tensor_header(path)[0]


_KINDS = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I16": "<i2", "U8": "u1", "BOOL": "?"}


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file as arrays of numpy, mapped: without torch, and read only where they are asked.

    Raises ValueError where one is of a type that numpy lacks, or not within the file.
    """
    size = size_of(path)
    shapes = tensor_shapes(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(length))
    data = np.memmap(path, dtype=np.uint8, mode="r")
    found = {}
    for name, shape in shapes.items():
        kind = np.dtype(_KINDS[field(header[name], "dtype", str)])
        start, stop = (8 + length + int(at) for at in field(header[name], "data_offsets", list))
        if not 8 + length <= start <= stop <= size or stop - start != math.prod(shape) * kind.itemsize:
            raise ValueError(f"{name} is not within the file")
        found[name] = data[start:stop].view(kind).reshape(shape)
    return found


def read_tensors(path: Path, device: str = "cpu", most: int = SMALL) -> dict[str, Tensor]:
    """The tensors of a safetensors file with a header of up to `most` bytes, mapped. Raises ValueError or
    SafetensorError where it is not whole."""
    from safetensors.torch import load_file

    tensor_header(path, most)
    return load_file(path, device=device)


def index(tensor: Tensor | NDArray[Any], high: int, name: str, low: int = 0) -> None:
    """Raises ValueError where a number of `tensor` is no index from `low` to `high` - 1."""
    within(tensor, low, high - 1, name)


def within(tensor: Tensor | NDArray[Any], low: float, high: float, name: str) -> None:
    """Raises ValueError where a number of `tensor`, of one dimension, is not within `low` to `high`, or is NaN."""
    for start in range(0, len(tensor), _CHUNK):
        part = tensor[start : start + _CHUNK]
        if not (float(part.min()) >= low and float(part.max()) <= high):
            raise ValueError(f"{name} has a number that is not within {low:g} to {high:g}")


def ascending(tensor: Tensor | NDArray[Any], low: int, high: int, name: str, strictly: bool = False) -> None:
    """Raises ValueError where the whole numbers of `tensor` do not ascend from `low` or more to `high` or less."""
    for start in range(0, len(tensor), _CHUNK):
        part = tensor[start : start + _CHUNK + 1]
        falls = part[1:] <= part[:-1] if strictly else part[1:] < part[:-1]
        if bool(falls.any()):
            raise ValueError(f"{name} does not ascend")
    if len(tensor) and not (int(tensor[0]) >= low and int(tensor[-1]) <= high):
        raise ValueError(f"{name} is not within {low:,} to {high:,}")
