from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.corpus import decode
from lmbench.corpus.decode import Reading, utf8
from lmbench.errors import LmbenchError, UsageError


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BLOCK", 5)


def read(data: bytes, reading: Reading | None = None, again: bool = True) -> bytes:
    reopen = (lambda: io.BytesIO(data)) if again else None
    return b"".join(utf8(io.BytesIO(data), "a.txt", reading or Reading(), reopen))


@given(st.binary(max_size=40))
def test_the_offset_of_the_first_bad_byte_is_that_of_a_decoder_that_sees_it_all(data: bytes) -> None:
    reading = Reading(encoding="utf-8")  # named, so that a NUL byte is a character
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        with pytest.raises(LmbenchError, match=rf"0x{data[error.start]:02x} at offset {error.start}:"):
            read(data, reading)
    else:
        assert read(data, reading) == data.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "utf-16", "utf-16-le", "cp932", "utf-8-sig"])
def test_other_encodings_become_utf8(encoding: str) -> None:
    text = "吾輩は猫である。名前はまだ無い。abc"
    assert read(text.encode(encoding), Reading(encoding=encoding)).decode() == text


@given(st.binary(max_size=30), st.sampled_from(["replace", "ignore"]))
def test_replace_and_ignore_are_those_of_bytes_decode(data: bytes, errors: str) -> None:
    expected = data.decode("utf-8", errors).removeprefix("\ufeff")
    assert read(data, Reading(errors=errors)).decode() == expected  # type: ignore[arg-type]


def test_remedies_name_the_encoding_that_fits() -> None:
    with pytest.raises(LmbenchError, match=r"it reads wholly as .*shift_jis.*--encoding shift_jis"):
        read("吾輩は猫である".encode("shift_jis"))
    with pytest.raises(LmbenchError, match=r"it reads wholly as .*euc_jp"):
        read("吾輩は猫である".encode("euc_jp"))
    with pytest.raises(LmbenchError, match=r"offset 3.*reads wholly as .*cp1252"):
        read(b"caf\xe9 au lait")
    with pytest.raises(LmbenchError, match=r"byte-order mark.*--encoding utf-16"):
        read("ab".encode("utf-16"))
    with pytest.raises(LmbenchError, match=r"not valid ascii.*another encoding"):
        read("é".encode(), Reading(encoding="ascii"))


def test_a_character_cut_off_at_the_end_is_not_valid() -> None:
    with pytest.raises(LmbenchError, match="offset 6: unexpected end of data"):
        read("猫猫猫".encode()[:-1])


def test_a_nul_byte_looks_binary_unless_the_encoding_is_named() -> None:
    with pytest.raises(LmbenchError, match=r"looks binary \(a NUL byte at byte 7\)"):
        read(b"text of\0some kind")
    assert read(b"a\0b", Reading(encoding="utf-8")) == b"a\0b"


@pytest.mark.parametrize("name", ["utf-9", "rot13", "base64", "nonsense"])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no text encoding"):
        Reading(encoding=name)
