"""What pyproject.toml cannot say: the manifests of `corpora/`, and the commit, go into the package that is built."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

MANIFESTS = Path("corpora")


def write_commit(package: Path) -> None:
    """PACKAGE/commit.json: of which commit these sources are, see lmbench/commit.py."""
    module = runpy.run_path("lmbench/commit.py")
    content = json.dumps(module["of_sources"](Path.cwd())._asdict())
    (package / module["BUILT"]).write_text(content, encoding="utf-8")


class BuildWithManifests(build_py):
    """`corpora/*.toml` as `lmbench/manifests/*.toml`; an editable install reads them where they are, as it asks git."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "lmbench" / "manifests"
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(MANIFESTS.glob("*.toml")):
            copyfile(path, target / path.name)
        write_commit(Path(self.build_lib) / "lmbench")

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *map(str, sorted(MANIFESTS.glob("*.toml")))]


class SourcesWithCommit(sdist):
    """A source distribution says of which commit it is; a wheel built from it says so too."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir) / "lmbench")


setup(cmdclass={"build_py": BuildWithManifests, "sdist": SourcesWithCommit})
