"""What pyproject.toml cannot say: data beside the package, and the commit, go into the package that is built."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

DATA = {  # folder in the package: files of the checkout
    "manifests": "corpora/*.toml",
    "recipes": "recipes/*.toml",
    "reference": "results/reference/check-*.json",
}


def write_commit(package: Path) -> None:
    """PACKAGE/commit.json: of which commit these sources are, see lmbench/commit.py."""
    module = runpy.run_path("lmbench/commit.py")
    content = json.dumps(module["of_sources"](Path.cwd())._asdict())
    (package / module["BUILT"]).write_text(content, encoding="utf-8")


class BuildWithData(build_py):
    """`corpora/*.toml` as `lmbench/manifests/*.toml`, and so on; an editable install reads them where they are, as it
    asks git."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name, pattern in DATA.items():
            target = Path(self.build_lib) / "lmbench" / name
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(Path().glob(pattern)):
                copyfile(path, target / path.name)
        write_commit(Path(self.build_lib) / "lmbench")

    def get_source_files(self) -> list[str]:
        beside = (path for pattern in DATA.values() for path in sorted(Path().glob(pattern)))
        return [*super().get_source_files(), *map(str, beside)]


class SourcesWithCommit(sdist):
    """A source distribution says of which commit it is; a wheel built from it says so too."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir) / "lmbench")


setup(cmdclass={"build_py": BuildWithData, "sdist": SourcesWithCommit})
