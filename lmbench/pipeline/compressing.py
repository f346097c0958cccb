"""Files to bits and back with a model of a run, which is not fitted again; and the proof of a row's figure by it.

What is guaranteed: on the machine that compressed, with the versions that the header names, every byte comes back. The
probabilities are made one token after the other, on the CPU, on one thread, by the same calls in both directions,
and then made whole numbers. A file that was made elsewhere is refused, or tried where that is asked for: what is not
what was compressed is never handed out.
"""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lmbench import files, machine, store
from lmbench.codec.coder import BrokenCodeError, agrees, decode, encode
from lmbench.codec.container import LONGEST, Content, Header, ModelPart, Payload, digest, packed, read
from lmbench.codec.content import tokens_of_bytes
from lmbench.codec.frequencies import NoCodeError
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.base import Model
from lmbench.pipeline.opened import load_model, tokenizer_of
from lmbench.progress import Progress
from lmbench.record import Record, Row
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

_OF_THE_RUN = ("card.json", "fit.json", "log_probs.npy", "valid_log_probs.npy")  # beside what a model saves of itself
_CHUNK = 1 << 20
_PACKAGES = ("lmbench", "torch", "numpy", "tokenizers")


@dataclass(frozen=True)
class Compressed:
    """A file compressed. `code_length`: bits that the model gives its tokens, as `lmbench score` has them;
    `payload_bits`: what they take in the file, whose `size` in bytes has the header too."""

    model: str
    bytes: int
    tokens: int
    code_length: float
    payload_bits: int
    size: int


@dataclass(frozen=True)
class Codec:
    """A model of a run that texts can be coded with, open; on the CPU, wherever it was fitted."""

    row: Row
    model: Model
    tokenizer: Tokenizer
    identity: str

    @classmethod
    def open(cls, folder: Path, row: Row, known: str | None = None) -> Codec:
        """`known`: its `identity`, where that has been found out. Raises UsageError where no text can be coded with the
        model of `row`."""
        check_codable(row)
        tokenizer = tokenizer_of(folder, store.read_record(folder).card)
        return cls(row, load_model(folder, row, "cpu"), tokenizer, known or identity(folder, row, tokenizer))

    def compress(self, content: bytes, progress: Progress, check: bool = True) -> tuple[bytes, Compressed]:
        """(what is to be written, what it came to). `check`: it is decompressed again before.

        Raises LmbenchError for content that has no code, or where the bits are not those that the model reports.
        """
        if len(content) > LONGEST:
            raise LmbenchError(f"more than {LONGEST:,} bytes: token by token, a model would code them for days")
        tokens = tokens_of_bytes(content, self.tokenizer)
        end = self.tokenizer.vocabulary.end_of_text
        payload = encode(self.model, tokens.ids, end, progress)
        header = Header(
            model=ModelPart(spec=self.row.model, hash=self.identity),
            content=Content(bytes=len(content), sha256=digest(content), tokens=len(tokens)),
            payload=Payload(bytes=len(payload), sha256=digest(payload)),
            made_with=made_with(),
        )
        if check and not self._gives_back(header, payload, content, progress):
            raise LmbenchError(f"{self.row.model} does not give the same probabilities twice: nothing is coded with it")
        bits = code_length(self.model, tokens, progress)
        if not agrees(8 * len(payload), bits):
            raise LmbenchError(
                f"{self.row.model} took {8 * len(payload):,} bits where it reports {bits:,.1f}: its scores are not "
                "those of the distributions that it codes with; fit it again"
            )
        found = packed(header, payload)
        said = Compressed(self.row.model, len(content), len(tokens), bits, 8 * len(payload), len(found))
        return found, said

    def decompress(self, path: Path, header: Header, payload: bytes, progress: Progress) -> bytes:
        """The content of the file. Raises LmbenchError where it is not what was compressed."""
        if header.model.hash != self.identity:
            raise LmbenchError(
                f"{path}: made with another model ({header.model.spec}, {header.model.hash[:12]}) than "
                f"{self.row.model} of this run ({self.identity[:12]}); name the run that it was made with"
            )
        try:
            content = self._content(header, payload, progress)
            if digest(content) != header.content.sha256:
                raise BrokenCodeError("what came out is not what was compressed")
        except (BrokenCodeError, NoCodeError) as error:
            raise LmbenchError(
                f"{path}: {error}: the model gives other probabilities here than where it was made; decompress it on "
                "that machine"
            ) from error
        return content

    def _gives_back(self, header: Header, payload: bytes, content: bytes, progress: Progress) -> bool:
        try:
            return self._content(header, payload, progress) == content
        except (BrokenCodeError, NoCodeError):
            return False

    def _content(self, header: Header, payload: bytes, progress: Progress) -> bytes:
        vocabulary, size = self.tokenizer.vocabulary, header.content.bytes
        found = bytearray()
        for token in decode(self.model, payload, header.content.tokens, vocabulary.end_of_text, progress):
            found += vocabulary.tokens[token]
            if len(found) > size + 1:
                raise BrokenCodeError("more comes out than was put in")
        if len(found) == size + 1 and vocabulary.lines and found[-1:] == b"\n":  # the last line has no end of its own
            found.pop()
        return bytes(found)


def code_length(model: Model, tokens: Tokens, progress: Progress) -> float:
    """Bits: -log2 p of the tokens, as the model scores a text."""
    return -math.fsum(model.log_probs(tokens, progress).tolist()) / math.log(2)


def check_codable(row: Row) -> None:
    """Raises UsageError where the model of `row` is none that a text can be coded with."""
    if not row.distribution:
        raise UsageError(f"{row.model} is a score and no distribution, so that nothing can be coded with it")
    if row.nats_per_token is None and row.bits_per_byte is not None:
        raise UsageError(f"{row.model} predicts tokens of its own: code with another model of the run")


def identity(folder: Path, row: Row, tokenizer: Tokenizer) -> str:
    """SHA-256 over what decides the probabilities of a row's model: its saved files but the card, and the tokenizer."""
    home = files.sealed(store.folder_of(folder, row))
    found = hashlib.sha256(f"{row.model.split('(')[0]}\n{tokenizer.hash}\n{tokenizer.vocabulary.hash}\n".encode())
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home).as_posix()
        if path.is_file() and path.name not in _OF_THE_RUN:
            found.update(f"{name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while piece := file.read(_CHUNK):
                    found.update(piece)
    return found.hexdigest()


def made_with() -> dict[str, str]:
    """What has to be the same for a model to give the same probabilities to the last bit."""
    from importlib.metadata import version

    versions = machine.versions()
    facts = machine.machine("cpu")
    found = {name: versions[name] for name in _PACKAGES} | {"constriction": version("constriction")}
    return found | {
        "machine": platform.machine(),
        "cpu": str(facts["cpu"]),
        "instructions": " ".join(facts["instructions"]),
    }


def differences(header: Header) -> list[str]:
    """In what this machine and its versions are not those that a file was made with, in words."""
    here = made_with()
    names = sorted(header.made_with.keys() | here.keys())
    return [
        f"{name} {header.made_with.get(name, 'not named')}, here {here.get(name, 'none')}"
        for name in names
        if header.made_with.get(name) != here.get(name)
    ]


def decompressed(folder: Path, record: Record, path: Path, progress: Progress, anyway: bool = False) -> bytes:
    """The content of `path`, by that model of the run which made it.

    Raises LmbenchError where the file is damaged, no model of the run made it, or it was made where the same
    probabilities are not guaranteed and it is not to be tried `anyway`.
    """
    header, payload = read(path)
    row = _maker(folder, record, header)
    if row is None:
        raise LmbenchError(
            f"{path}: made with {header.model.spec} ({header.model.hash[:12]}), which is no model of {folder}; name "
            "the run that it was made with"
        )
    other = differences(header)
    if other and not anyway:
        raise LmbenchError(
            f"{path}: made with {'; '.join(other)}: that the model gives the same probabilities is not guaranteed; "
            "--anyway tries, and gives out nothing but what was compressed"
        )
    return Codec.open(folder, row, header.model.hash).decompress(path, header, payload, progress)


def _maker(folder: Path, record: Record, header: Header) -> Row | None:
    """The row whose model made a file: the one of that name is looked at first."""
    tokenizer = tokenizer_of(folder, record.card)
    rows: Iterable[Row] = sorted(record.rows, key=lambda row: row.model != header.model.spec)
    return next((row for row in rows if identity(folder, row, tokenizer) == header.model.hash), None)
