"""`lmbench corpora`: the texts that are known by name."""

from __future__ import annotations

import json as json_

from lmbench import terminal
from lmbench.cli._listing import Name
from lmbench.cli._options import Json
from lmbench.errors import UsageError

__all__ = ["corpora"]

PANEL = "List what there is"


def corpora(name: Name = None, json: Json = False) -> None:
    """List the corpora that lmbench run knows by name, with source, licence and size."""
    from lmbench.corpus import corpora as manifests
    from lmbench.report import format as form
    from lmbench.report.screen import indented, screen, styled

    known = manifests()
    found = [manifest for manifest in known if name in (None, manifest.name)]
    if name and not found:
        raise UsageError(f"there is no corpus {name!r} (choose from {', '.join(manifest.name for manifest in known)})")
    if json:
        content = [manifest.model_dump(mode="json") for manifest in found]
        terminal.write_json(json_.dumps(content, indent=2, ensure_ascii=False))
        return
    console = screen()
    for manifest in found:
        console.print(styled(manifest.name, "bold"))
        size = f", {form.size(manifest.bytes)}" if manifest.bytes else ""
        lines = [manifest.description, f"{manifest.source}{size}; {manifest.licence}; split {manifest.split}"]
        if name:
            lines += [*manifest.notes, *([manifest.reference] if manifest.reference else [])]
        for line in lines:
            console.print(indented(line, 2))
