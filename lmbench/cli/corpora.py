"""`lmbench corpora`: the texts that are known by name."""

from __future__ import annotations

import json as json_
import sys

from lmbench.cli._listing import Name
from lmbench.cli._options import Json
from lmbench.errors import UsageError

__all__ = ["corpora"]

PANEL = "List what there is"


def corpora(name: Name = None, json: Json = False) -> None:
    """List the corpora that lmbench run knows by name, with source, licence and size."""
    from rich.padding import Padding
    from rich.text import Text

    from lmbench.corpus import corpora as manifests
    from lmbench.report import format as form
    from lmbench.report.screen import console_for

    known = manifests()
    found = [manifest for manifest in known if name in (None, manifest.name)]
    if name and not found:
        raise UsageError(f"there is no corpus {name!r} (choose from {', '.join(manifest.name for manifest in known)})")
    if json:
        content = [manifest.model_dump(mode="json") for manifest in found]
        sys.stdout.write(json_.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return
    console = console_for(sys.stdout)
    for manifest in found:
        console.print(Text(manifest.name, style="bold"))
        size = f", {form.size(manifest.bytes)}" if manifest.bytes else ""
        lines = [manifest.description, f"{manifest.source}{size}; {manifest.licence}; split {manifest.split}"]
        if name:
            lines += [*manifest.notes, *([manifest.reference] if manifest.reference else [])]
        console.print(Padding(Text("\n".join(lines)), (0, 0, 0, 2), expand=False))
