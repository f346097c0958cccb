"""The file: what is damaged, cut or made up is named, and no more is read than there is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lmbench.codec.container import MAGIC, Content, Header, ModelPart, Payload, digest, packed, read
from lmbench.errors import LmbenchError

PAYLOAD = b"0123456789ab"
HEADER = Header(
    model=ModelPart(spec="uniform", hash="0" * 64),
    content=Content(bytes=20, sha256="1" * 64, tokens=21),
    payload=Payload(bytes=len(PAYLOAD), sha256=digest(PAYLOAD)),
    made_with={"numpy": "2"},
)
WHOLE = packed(HEADER, PAYLOAD)


def made_up(**changed: Any) -> bytes:
    """A file whose header is whole and says other things."""
    content = json.dumps(HEADER.model_dump() | changed).encode()
    head = MAGIC + len(content).to_bytes(4, "little") + content
    return head + hashlib.sha256(head).digest() + PAYLOAD


def refused(content: bytes, folder: Path) -> str:
    path = folder / "x.lmz"
    path.write_bytes(content)
    with pytest.raises(LmbenchError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.lmz"
    path.write_bytes(WHOLE)
    assert read(path) == (HEADER, PAYLOAD)


def test_every_flipped_bit_and_every_cut_is_found(tmp_path: Path) -> None:
    for at in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[at] ^= 1 << (at % 8)
        assert any(word in refused(bytes(damaged), tmp_path) for word in ("damaged", "not a file", "cut off"))
        said = refused(WHOLE[:at], tmp_path)
        assert "cut off" in said or at == 0
    assert "damaged" in refused(WHOLE + b"x", tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"content": {"bytes": 1 << 60, "sha256": "1" * 64, "tokens": 2}},
        {"content": {"bytes": 2, "sha256": "1" * 64, "tokens": 1 << 28}},
        {"content": {"bytes": -1, "sha256": "1" * 64, "tokens": 2}},
        {"payload": {"bytes": 1 << 60, "sha256": "1" * 64}},
        {"model": {"spec": "x" * 5000, "hash": "0" * 64}},
        {"model": {"spec": "uniform", "hash": "../.."}},
        {"format": 2},
        {"more": 1},
        {"made_with": {str(at): "x" for at in range(100)}},
    ],
)
def test_a_header_that_declares_what_cannot_be_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    assert "not a header" in refused(made_up(**changed), tmp_path)


def test_a_length_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    assert "at most" in refused(MAGIC + (1 << 31).to_bytes(4, "little") + b"{}", tmp_path)
    with pytest.raises(LmbenchError, match="not a regular file"):
        read(Path("/dev/zero"))
