"""A page that needs nothing else: style, script and figures inside, no network, in a light and in a dark look."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from importlib.resources import files
from typing import Any

from lmbench import terminal
from lmbench.report.draw import DARK

_LIGHT = {
    "ink": "#1f2430", "soft": "#535c6b", "faint": "#d5d9e0", "edge": "#8a93a3", "wash": "#f2f4f7", "paper": "#ffffff",
    "link": "#1d5fa8", "truth": "#276749",
}  # fmt: skip
_DARK = {
    "ink": "#e4e8ef", "soft": "#a6b0c0", "faint": "#3a4250", "edge": "#7d8798", "wash": "#1f242d", "paper": "#15181e",
    "link": "#7cb8f2", "truth": "#6cc79a",
}  # fmt: skip
_LAYOUT = "\n\t"


def document(title: str, lead: str, body: str, opening: str = "", contents: str = "") -> str:
    """A page of HTML around `body`, in the look of every report.

    `title` and `lead` are text; `opening`, which stands under them, `contents`, a list of links, and `body` are HTML.
    What a browser would obey or hide in any of it (control characters, turned writing) is shown as a sign, as on a
    terminal. The content security policy lets the page's own style and script run, and nothing be fetched.
    """
    style, script = stylesheet(), script_text()
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = f'<nav aria-label="Sections">{contents}</nav>' if contents else ""
    before = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{visible(escape(title))}</title>\n<style>{style}</style></head>\n"
    )
    content = visible(
        f'<body><a class="skip" href="#main">Skip to the report</a>\n<header><h1>{escape(title)}</h1>'
        f'<p class="lead">{escape(lead)}</p>{opening}<div class="settings"></div></header>\n{links}\n'
        f'<main id="main">\n{body}\n</main>\n'
        "<footer>Made by lmbench. This page is one file and fetches nothing.</footer>"
    )
    return f"{before}{content}\n<script>{script}</script>\n</body></html>\n"


def shown(text: str, keep: str = "") -> str:
    """Text from outside as a page shows it, in which nothing is obeyed or hidden; not yet HTML."""
    return terminal.visible(text, keep)


def visible(html: str) -> str:
    """HTML in which what a browser would obey or hide stands as a sign: `&lt;U+202E&gt;`."""
    return re.sub(r"[^\n -~]+", lambda found: escape(terminal.visible(found[0], keep=_LAYOUT)), html)


def data(values: Any) -> str:
    """JSON in a script element that is never run; nothing in it can end the element."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json">{text}</script>'


def stylesheet() -> str:
    """The style of every page, with the colours of both looks."""
    light = _variables(_LIGHT | {f"c-{name[1:]}": name for name in DARK})
    dark = _variables(_DARK | {f"c-{name[1:]}": colour for name, colour in DARK.items()})
    looks = (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
        f"@media print {{ :root:root:root {{ color-scheme: light; {light} }} }}\n"
    )
    return looks + _part("page.css")


def script_text() -> str:
    """The script of every page."""
    return _part("page.js")


def _part(name: str) -> str:
    return files("lmbench.report").joinpath(name).read_text(encoding="utf-8")


def _variables(values: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
