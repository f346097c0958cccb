"""What pyproject.toml cannot say: the manifests of `corpora/` go into the wheel, inside the package."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

MANIFESTS = Path("corpora")


class BuildWithManifests(build_py):
    """`corpora/*.toml` as `lmbench/manifests/*.toml`; an editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "lmbench" / "manifests"
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(MANIFESTS.glob("*.toml")):
            copyfile(path, target / path.name)

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *map(str, sorted(MANIFESTS.glob("*.toml")))]


setup(cmdclass={"build_py": BuildWithManifests})
