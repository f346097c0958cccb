from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from rich.cells import cell_len

from lmbench.pipeline import Run
from lmbench.record import Behind, Entropy, Failure, Record
from lmbench.report import format as form
from lmbench.report.lines import lines_of
from lmbench.report.page import write_page
from lmbench.report.screen import print_report
from lmbench.report.section import ordered, sections
from lmbench.report.section.base import Page as Kind
from lmbench.report.section.notes import notes_of

TRUTH = Entropy(
    estimator="true entropy rate",
    kind="true rate",
    bits_per_byte=0.1,
    bits_per_character=0.2,
    bits_per_token=None,
    ci95_bits_per_character=None,
    seconds=0.0,
    note="",
    curve={},
)


def printed(record: Record, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    print_report(record, stream)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
def test_table_fits_its_width_and_says_what_it_leaves_out(
    small_run: Run, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(small_run.record, width, monkeypatch)
    lines = text.splitlines()
    assert max(cell_len(line) for line in lines) <= width
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in text
    header = lines[0]
    headers = ("nats/token", "bits/byte", "± 95 %", "size", "on disk", "fit", "tokens/s")
    missing = [name for name in headers if name not in header]
    named = re.findall(r"no room for: ([^;]*)", text.replace("\n", " "))
    assert all(name in named[0] for name in missing) if missing else True
    if width >= 80:
        assert not {"nats/token", "bits/byte", "± 95 %"} & set(missing)
    if width == 200:
        assert not named


def test_table_is_sorted_and_holds_models_and_estimates(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    record = small_run.record.model_copy(update={"entropy": [*small_run.record.entropy, TRUTH]})
    lines = lines_of(record)
    known = [line.bits_per_byte for line in lines if line.bits_per_byte is not None]
    assert known == sorted(known)
    assert [lines[0].kind, lines[-1].name] == ["true rate", "ngram(order=6, smoothing=maximum_likelihood)"]
    assert {line.kind for line in lines} == {"model", "upper bound", "estimate", "true rate"}
    text = printed(record, 120, monkeypatch)
    assert text.index("true entropy rate") < text.index("ngram(order=3)") < text.index("uniform")
    infinite = next(line for line in text.splitlines() if line.startswith("ngram(order=6,"))
    assert "∞" in infinite


def test_lossy_rows_are_sorted_by_nats_per_token(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"bits_per_byte": None, "bits_per_character": None, "ci95_bits_per_byte": None}
    rows = [row.model_copy(update=gone) for row in small_run.record.rows]
    card = small_run.record.card.model_copy(update={"lossless": False})
    record = small_run.record.model_copy(update={"rows": rows, "entropy": [], "card": card})
    assert [line.name for line in lines_of(record)][:2] == ["ngram(order=3)", "uniform"]
    bounds = record.model_copy(update={"entropy": [TRUTH]})
    assert [line.name for line in lines_of(bounds)][:3] == ["ngram(order=3)", "uniform", "true entropy rate"]
    text = printed(record, 200, monkeypatch)
    assert "bits/byte" not in text.splitlines()[0]
    assert "not lossless" in text


def test_interval_of_an_estimate_is_given_in_its_line_in_bits_per_byte(small_run: Run) -> None:
    truth = TRUTH.model_copy(update={"ci95_bits_per_character": (0.1, 0.4)})
    record = small_run.record.model_copy(update={"entropy": [truth]})
    [line] = [line for line in lines_of(record) if line.kind == "true rate"]
    assert (line.low, line.high) == pytest.approx((0.05, 0.2))


def test_score_that_is_no_cross_entropy_is_shown_beside_the_column(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"nats_per_token": None, "bits_per_byte": None, "perplexity": None, "ci95_nats_per_token": None}
    row = small_run.record.rows[0].model_copy(update={**gone, "distribution": False, "mean_nats": 7.25, "behind": None})
    text = printed(small_run.record.model_copy(update={"rows": [row, small_run.record.rows[1]]}), 200, monkeypatch)
    line = next(line for line in text.splitlines() if line.startswith("uniform"))
    assert line.split()[:4] == ["uniform", "score", "7.250", "–"]


def test_markup_in_names_is_text(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    row = small_run.record.rows[0].model_copy(
        update={"model": "mixture(models=[ngram, uniform])", "notes": ["[/bold] x"]}
    )
    record = small_run.record.model_copy(update={"rows": [row]})
    text = printed(record, 200, monkeypatch)
    assert "mixture(models=[ngram, uniform])" in text
    assert "[/bold] x" in text


def test_notes_are_said_once_and_failures_with_them(small_run: Run) -> None:
    rows = [row.model_copy(update={"notes": ["the same"]}) for row in small_run.record.rows[:2]]
    failure = Failure(spec="transformer", message="too short")
    record = small_run.record.model_copy(update={"rows": rows, "entropy": [], "failures": [failure]})
    assert notes_of(record) == ["uniform, ngram(order=3): the same", "not done: transformer: too short"]


class Page(HTMLParser):
    """Collects tags, and everything that would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "xlink:href", "data"):
                self.addresses.append(value or "")
            if key == "id":
                self.ids.append(value or "")


def test_page_needs_nothing_and_escapes_everything(small_run: Run, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>&$x_1$'
    rows = [small_run.record.rows[0].model_copy(update={"model": evil, "notes": [evil]}), *small_run.record.rows[1:]]
    entropy = [small_run.record.entropy[-1].model_copy(update={"estimator": evil}), TRUTH]
    card = small_run.record.card.model_copy(update={"corpus": evil, "command": evil, "tokenizer": evil})
    record = small_run.record.model_copy(update={"rows": rows, "card": card, "entropy": entropy})
    write_page(tmp_path, record)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == 1  # the page's own
    assert "<b>" not in text
    assert page.tags.count("svg") == 4
    assert text[text.index("<svg") : text.rindex("</svg>")].count("$x_1$") > 3  # names are no formulas
    assert all(address.startswith("#") for address in page.addresses)
    assert "http:" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert len(page.ids) == len(set(page.ids))
    unfolded = Page(re.sub("<details>.*?</details>", "", text))  # the table of F_n has rows of its own
    assert unfolded.tags.count("tr") == 1 + len(lines_of(record))


def test_svg_references_resolve(small_run: Run) -> None:
    text = (small_run.folder / "report.html").read_text(encoding="utf-8")
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert wanted
    assert wanted <= set(Page(text).ids)


def test_every_section_keeps_the_contract(small_run: Run) -> None:
    shown = {name: section for page in get_args(Kind) for name, section in ordered(page)}
    assert set(shown) == set(sections.names)
    bare = small_run.record.model_copy(update={"rows": [], "entropy": [], "failures": []})
    for section in shown.values():
        assert section.title
        for record in (small_run.record, bare):
            section.text(record, 80)
            section.html(record)
            section.figure(record)


def test_difference_to_the_best_is_in_the_table(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(best="ngram(order=3)", nats_per_token=0.5, ci95=(0.4, 0.6))
    rows = [small_run.record.rows[0].model_copy(update={"behind": behind}), small_run.record.rows[1]]
    text = printed(small_run.record.model_copy(update={"rows": rows}), 200, monkeypatch)
    assert "+0.500 ± 0.100" in text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (form.count(812), "812"),
        (form.count(9_999), "9,999"),
        (form.count(12_345), "12.3 k"),
        (form.count(32_400_000), "32.4 M"),
        (form.size(999), "999 B"),
        (form.size(12_345_678), "12.3 MB"),
        (form.size(999_700), "1 MB"),
        (form.seconds(0.123), "0.12 s"),
        (form.seconds(59.96), "1:00"),
        (form.seconds(7384), "2:03:04"),
        (form.rate(1_230_000, 1.0), "1.23 M"),
        (form.rate(5, 0.0), "–"),
        (form.perplexity(141.187), "141.19"),
        (form.perplexity(123456.7), "123,457"),
        (form.perplexity(1.234e8), "1.2e+08"),
        (form.signed(0.5, None), "+0.500"),
        (form.fixed(None, 3), "–"),
    ],
)
def test_numbers_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_note_has_one_line_on_a_terminal_and_all_of_it_where_it_is_asked_for(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "長い文 " * 30 + "its end"
    row = small_run.record.rows[0].model_copy(update={"notes": [note]})
    record = small_run.record.model_copy(update={"rows": [row], "entropy": []})
    text = printed(record, 80, monkeypatch)
    [line] = [line for line in text.splitlines() if "長い文" in line]
    assert line.endswith("…")
    assert cell_len(line) <= 80
    assert "--notes" in text
    stream = io.StringIO()
    print_report(record, stream, page="notes")
    assert "its end" in stream.getvalue()
