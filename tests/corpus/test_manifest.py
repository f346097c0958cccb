from __future__ import annotations

import gzip
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from lmbench.corpus import corpora, manifest, open_source
from lmbench.corpus.builtin import builtins
from lmbench.corpus.split import split
from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError
from lmbench.spec import parse

ROOT = Path(__file__).parents[2]


def test_every_manifest_is_whole() -> None:
    names = [known.name for known in corpora()]
    for expected in ("python-help", "python-stdlib", "tinyshakespeare", "wikitext-2", "wikitext-103", "text8"):
        assert expected in names
    for known in corpora():
        assert known.description
        assert known.licence
        split(text_of(["x" * 1000]), known.split)
        if not known.source.startswith(("hf:", "http")):
            builtins.check(parse(known.source))


def test_the_shared_tinyshakespeare_is_the_one_the_manifest_knows(shared: Path) -> None:
    data = (shared / "data" / "tinyshakespeare.txt").read_bytes()
    known = manifest.manifest("tinyshakespeare")
    assert known.bytes == len(data)
    assert known.hash == hashlib.sha256(data).hexdigest()


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(manifest, "folder", lambda: tmp_path)
    manifest.manifest.cache_clear()
    return tmp_path


REST = 'description = "d"\nlanguage = "English"\nlicence = "l"\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("source = ", r"a\.toml: not valid TOML"),
        (REST, r"a\.toml: source: Field required"),
        (REST + 'source = "x"\nsize = 3', r"a\.toml: size: Extra inputs"),
        (REST + 'source = "x"\nhash = "12"', r"a\.toml: hash"),
        (REST + 'source = "x"\nsplit = "all"', r"a\.toml: split"),
    ],
)
def test_a_malformed_manifest_is_named(content: str, message: str, manifests: Path) -> None:
    (manifests / "a.toml").write_text(content)
    with pytest.raises(LmbenchError, match=message):
        corpora()


def test_a_manifest_may_name_a_path_and_its_hash_is_checked(manifests: Path) -> None:
    text = manifests / "text.txt.gz"
    text.write_bytes(gzip.compress(b"some text"))
    whole = REST + f'source = "{text}"\nnotes = ["n"]\nhash = "{hashlib.sha256(b"some text").hexdigest()}"'
    (manifests / "a.toml").write_text(whole)
    corpus = open_source("a", cache=manifests / "cache")
    assert corpus.name == "a"
    assert corpus.card["notes"] == ["n"]
    assert corpus.manifest is not None
    text.write_bytes(gzip.compress(b"sone text"))
    with pytest.raises(LmbenchError, match="does not hold the text that the manifest knows"):
        open_source("a", cache=manifests / "cache")


def test_the_wheel_carries_manifests_recipes_and_their_figures(tmp_path: Path) -> None:
    if importlib.util.find_spec("setuptools") is None:  # not imported: it minds who has imported distutils before it
        pytest.skip("setuptools is not installed")
    if not (ROOT / "setup.py").is_file():
        pytest.skip("not a checkout")
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    built = {path.name for path in (tmp_path / "lmbench" / "manifests").glob("*.toml")}
    assert built == {path.name for path in (ROOT / "corpora").glob("*.toml")}
    for name, own in (("recipes", "recipes/*.toml"), ("reference", "results/reference/check-*.json")):
        carried = {path.name for path in (tmp_path / "lmbench" / name).iterdir()}
        assert carried == {path.name for path in ROOT.glob(own)}
    code = "from lmbench.corpus.manifest import folder; print(folder())"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(tmp_path / "lmbench" / "manifests")


def test_listing_the_corpora_stays_light() -> None:
    code = (
        "import sys; from lmbench.corpus import corpora; corpora()\n"
        "print([name for name in ('torch', 'datasets', 'tokenizers', 'pyarrow', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
