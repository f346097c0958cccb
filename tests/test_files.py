"""What a file declares is held against what is there, before memory is taken or a place is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lmbench import files
from lmbench.errors import LmbenchError


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", ".", "a/../..", "\0", "away/secret.json", "loop"])
def test_no_name_and_no_link_leads_out(name: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text("{}", encoding="ascii")
    (folder / "away").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    with pytest.raises(LmbenchError, match=r"leads out of|no place in it"):
        files.inside(folder, name)
    with pytest.raises(LmbenchError):
        files.sealed(folder)


def test_a_folder_that_is_a_link_itself_and_links_within_it_are_fine(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.json").write_text("[1]", encoding="ascii")
    (tmp_path / "run" / "b.json").symlink_to("a.json")
    (tmp_path / "link").symlink_to("run")
    assert files.read_json(tmp_path / "link" / "b.json") == [1]
    (tmp_path / "run" / "c.json").symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "elsewhere.json").write_text("[1]", encoding="ascii")
    with pytest.raises(LmbenchError, match="leads out of"):
        files.read_json(tmp_path / "link" / "c.json")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")  # opened, it would wait for a writer for ever
    with pytest.raises(ValueError, match="not a regular file"):
        files.read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200 + "]" * 200,
        "[NaN]",
        "[-Infinity]",
        '["\\ud800"]',
        "[" + "0," * 300_000 + "0]",
        "[1",
        '"' + "x" * 9_000_000 + '"',
    ],
)
def test_json_is_bounded(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match=r".+"):
        files.read_json(tmp_path / "a.json")


def test_deep_json_within_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 50 + "]" * 50, encoding="ascii")
    assert files.read_json(tmp_path / "a.json") == json.loads("[" * 50 + "]" * 50)


def npy(path: Path, shape: str, kind: str, data: bytes) -> Path:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "data"),
    [
        ("(3,)", "<f8", bytes(16)),
        ("(1000000000000,)", "<f8", bytes(16)),
        ("(-2,)", "<f8", bytes(16)),
        ("(2, 1)", "<f8", bytes(16)),
        ("(2,)", "<i8", bytes(16)),
        ("(2,)", "|O", bytes(16)),
        ("(2,)", "<f8", bytes(17)),
    ],
)
def test_an_array_has_the_bytes_that_it_declares(shape: str, kind: str, data: bytes, tmp_path: Path) -> None:
    path = npy(tmp_path / "a.npy", shape, kind, data)
    with pytest.raises(ValueError, match=r".+"):
        files.open_array(path, (np.float64,), (None,))
    assert files.read_array(npy(path, "(2,)", "<f8", bytes(16)), (np.float64,), (2,)).tolist() == [0, 0]


@pytest.mark.parametrize("place", range(10, 60))
@pytest.mark.parametrize("byte", [b"(", b"'", b"#", b"\\", b"\0", b"9", b" ", b"\xff"])
def test_the_header_of_an_array_is_read_without_a_parser_of_python(place: int, byte: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(7))
    data = bytearray(path.read_bytes())
    data[place : place + 1] = byte
    path.write_bytes(data)
    try:
        found = files.open_array(path, (np.float64,), (None,))
    except ValueError:
        return
    assert found.tolist() == [0.0] * 7


@pytest.mark.parametrize("array", [np.zeros((0,)), np.zeros((3, 2)), np.zeros((2, 0)), np.arange(4, dtype=np.uint8)])
def test_what_numpy_writes_is_read(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(files.open_array(tmp_path / "a.npy", (array.dtype,), (None,) * array.ndim), array)


def test_the_header_of_a_tensor_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.arange(3)}, path)
    assert files.tensor_shapes(path) == {"a": (3,)}
    whole = path.read_bytes()
    for damaged in (b"", whole[:4], (1 << 62).to_bytes(8, "little") + whole[8:], whole[:8] + b"[" * 20):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r".+"):
            files.read_tensors(path)


def test_numbers_are_looked_at_before_they_are_indices() -> None:
    files.index(torch.tensor([0, 2]), 3, "it")
    files.ascending(np.array([0, 1, 1, 3]), 0, 3, "it")
    for bad in ([-1, 0], [0, 3]):
        with pytest.raises(ValueError, match="it has a number"):
            files.index(np.array(bad), 3, "it")
    with pytest.raises(ValueError, match="it has a number"):
        files.within(torch.tensor([0.0, torch.nan]), 0, 1, "it")
    for bad in ([0, 2, 1], [0, 4]):
        with pytest.raises(ValueError, match="it "):
            files.ascending(torch.tensor(bad), 0, 3, "it")
    with pytest.raises(ValueError, match="it does"):
        files.ascending(np.array([0, 1, 1]), 0, 3, "it", strictly=True)
