"""Imports point one way, and what is heavy waits until it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lmbench

PACKAGE = Path(lmbench.__file__).parent
ORDER = [
    "terminal", "commit",
    "errors", "written", "invocation", "runs", "disk", "spec", "plugin", "registry", "runtime", "progress", "memory",
    "machine", "files", "corpus", "tokens", "counts", "smoothing", "net", "training", "model", "tokenizer",
    "score", "entropy",
    "structure", "generation", "scaling", "record", "codec", "store", "report", "pipeline", "cli",
]  # fmt: skip
FRONT_DOOR = ("__init__", "__main__")  # the package's own names: it may know every room
HEAVY = ("torch", "datasets", "matplotlib", "scipy", "pandas", "pyarrow")


def imported(path: Path) -> set[str]:
    """The rooms of lmbench that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("lmbench.")}
    return found & set(ORDER)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_no_import_points_back() -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if room(path) not in FRONT_DOOR]
    assert len(files) > 50
    back = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in files
        for other in imported(path)
        if ORDER.index(other) > ORDER.index(room(path))
    ]
    assert back == []


def test_every_room_has_its_place() -> None:
    rooms = {room(path) for path in PACKAGE.rglob("*.py")} - set(FRONT_DOOR)
    assert rooms <= set(ORDER)


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    tail = "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


COMMANDS = [
    ["--help"], ["--version"], ["run", "--help"], ["generate", "--help"], ["report", "--help"], ["compare", "--help"],
    ["models"], ["models", "transformer"], ["models", "--json"], ["tokenizers"], ["estimators"], ["smoothings"],
    ["corpora"], ["runs"], ["guess", "--help"], ["shannon", "--help"], ["bounds", "--help"], ["segment", "--help"],
]  # fmt: skip


def test_help_and_listings_import_nothing_heavy() -> None:
    """One interpreter runs them all; what each of them makes it import is printed after it."""
    code = f"""
import json, sys
from lmbench.cli.main import main
found, heavy = {{}}, set({HEAVY!r})
for arguments in {COMMANDS!r}:
    sys.argv = ["lmbench", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, (arguments, stop.code)
    found[" ".join(arguments)] = sorted(heavy & set(sys.modules))
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {" ".join(arguments): [] for arguments in COMMANDS}


def test_help_does_without_numpy_and_pydantic_too() -> None:
    code = (
        "import sys; sys.argv = ['lmbench', '--help']\n"
        "from lmbench.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert modules_after(code) & {"numpy", "pydantic", "lmbench.pipeline"} == set()


def test_importing_the_package_imports_nothing_but_itself() -> None:
    assert modules_after("import lmbench") & {*HEAVY, "numpy", "pydantic", "typer", "rich"} == set()


def test_a_wrong_spec_is_found_without_torch() -> None:
    code = (
        "import sys; sys.argv = ['lmbench', 'run', '--model', 'ngramm']\n"
        "from lmbench.cli.main import main\ntry:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 2"
    )
    assert "torch" not in modules_after(code)


def test_public_names() -> None:
    assert sorted(lmbench.__all__) == dir(lmbench)
    for name in lmbench.__all__:
        assert getattr(lmbench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lmbench.nothing  # noqa: B018
    assert lmbench.__version__
