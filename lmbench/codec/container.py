"""The file of `lmbench compress`: a header that says what it holds and by what it was made, and the payload.

    8 bytes   89 6C 6D 7A 0D 0A 1A 0A: no text, and damaged by whatever changes the ends of lines
    4 bytes   length of the header, little-endian
    header    JSON: model, content, payload, made_with
    32 bytes  SHA-256 of all before
    payload   32-bit words of the range coder, little-endian, exactly as many bytes as the header says

Whatever stands in such a file, no more is read than it declares, and no more is declared than is believed.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmbench import files
from lmbench.errors import LmbenchError
from lmbench.record import first_fault

MAGIC = b"\x89lmz\r\n\x1a\n"
LONGEST = 1 << 28  # bytes of content: token by token, that takes days
_HEADER = 1 << 16
_DIGEST = 32

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=4096)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelPart(_Part):
    """`spec`: of the row; `hash`: see `pipeline.compressing.identity`."""

    spec: Text
    hash: Hash


class Content(_Part):
    """What comes out: bytes, their SHA-256, and the tokens that they were made into."""

    bytes: Annotated[int, Field(ge=0, le=LONGEST)]
    sha256: Hash
    tokens: Annotated[int, Field(ge=0, le=LONGEST + 1)]


class Payload(_Part):
    bytes: Annotated[int, Field(ge=0, le=4 * LONGEST)]
    sha256: Hash


class Header(_Part):
    """`made_with`: what has to be the same for the model to give the same probabilities."""

    format: Literal[1] = 1
    model: ModelPart
    content: Content
    payload: Payload
    made_with: Annotated[dict[Annotated[str, Field(max_length=40)], Text], Field(max_length=20)]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(header: Header, payload: bytes) -> bytes:
    content = json.dumps(header.model_dump(), separators=(",", ":")).encode("ascii")
    head = MAGIC + len(content).to_bytes(4, "little") + content
    return head + hashlib.sha256(head).digest() + payload


def read(path: Path) -> tuple[Header, bytes]:
    """The header and the payload of a file. Raises LmbenchError that says what is wrong with it."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise LmbenchError(f"{path}: not a regular file")
    size = status.st_size
    with path.open("rb") as file:
        start = file.read(len(MAGIC) + 4)
        if start[: len(MAGIC)] != MAGIC[: len(start)] or not start:
            raise LmbenchError(f"{path}: not a file of lmbench compress")
        length = int.from_bytes(start[len(MAGIC) :], "little")
        if len(start) == len(MAGIC) + 4 and length > _HEADER:
            raise LmbenchError(f"{path}: damaged: a header of {length:,} bytes, of which at most {_HEADER:,} are read")
        content, said = file.read(length), file.read(_DIGEST)
        if len(start) + len(content) + len(said) < len(MAGIC) + 4 + length + _DIGEST:
            raise LmbenchError(f"{path}: cut off: it ends within its header, after {size:,} bytes")
        if hashlib.sha256(start + content).digest() != said:
            raise LmbenchError(f"{path}: damaged: its header is not what was written")
        header = _header(path, content)
        left, wanted = size - file.tell(), header.payload.bytes
        if left != wanted:
            what = "cut off" if left < wanted else "damaged"
            raise LmbenchError(f"{path}: {what}: its payload has {wanted:,} bytes, and {left:,} are there")
        payload = file.read(wanted)
    if digest(payload) != header.payload.sha256:
        raise LmbenchError(f"{path}: damaged: its payload is not what was written (a byte of it is another)")
    return header, payload


def _header(path: Path, content: bytes) -> Header:
    try:
        header = Header.model_validate(files.parse_json(content, _HEADER))
        if header.content.tokens > header.content.bytes + 1:
            raise ValueError("it has more tokens than bytes")
    except ValidationError as error:
        raise LmbenchError(f"{path}: not a header that is known here ({first_fault(error)})") from error
    except files.FAULTS as error:
        raise LmbenchError(f"{path}: not a header that is known here ({error})") from error
    return header
