"""The page in a browser: what a reader can do with it, that nothing is fetched or run, and that all can use it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmbench.pipeline import Plan, run
from lmbench.pipeline.pages import write_runs

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (
    '<script>window.hacked = 1</script><img src="https://example.org/x.png" onerror="window.hacked = 2">'
    "</script><!--<script>\x1b[31m\x07\u202eevil\u2066&lt;b&gt;<style>body{display:none}</style>\\u003c/script\\u003e "
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("hostile")
    text = home / "hostile <i>name.txt"
    text.write_text("".join(f"{HOSTILE}{number % 7} the queen né 猫 \n" for number in range(120)), encoding="utf-8")
    models = ["uniform", "ngram(order=1)", "ngram(order=3)"]
    return [
        run(Plan(source=str(text), tokenizer=tokenizer, models=models, device="cpu", out=home / "runs")).folder
        for tokenizer in ("byte", "word")
    ]


@pytest.fixture(scope="module")
def single(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(folders[:1], tmp_path_factory.mktemp("page") / "report.html", 3600.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A page with what it said, and what it asked for beside itself."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def close(self, path: Path) -> None:
        assert self.said == []
        assert [address for address in self.asked if address != path.as_uri()] == []
        self.page.close()


@pytest.fixture
def opened(browser: Any, single: Path) -> Iterator[Any]:
    found = Opened(browser, single, viewport={"width": 1280, "height": 900})
    yield found.page
    found.close(single)


def test_the_heads_of_the_table_sort_it_and_say_so(opened: Any) -> None:
    table = opened.locator("table.sortable")
    place = [cell.strip() for cell in table.locator("thead th").all_inner_texts()].index("bits/byte")
    button = table.locator("thead th").nth(place).get_by_role("button")
    shown = f"tbody tr td:nth-child({place + 1})"
    orders = []
    for direction in ("ascending", "descending"):
        button.click()
        assert table.locator("thead th").nth(place).get_attribute("aria-sort") == direction
        cells = [text for text in table.locator(shown).all_inner_texts() if text != "–"]
        orders.append([float(text) for text in cells])
    assert orders[0] == sorted(orders[0])
    assert orders[1] == sorted(orders[0], reverse=True)
    assert table.locator("thead th[aria-sort]").count() == 1
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert table.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")  # all of it at 1280 px


def test_hover_focus_and_keys_show_what_was_expected(opened: Any) -> None:
    tokens, detail = opened.locator(".t"), opened.locator(".detail")
    tokens.nth(5).hover()
    assert detail.inner_text().startswith("token 6,")
    assert detail.locator("tbody tr").count() == 8
    opened.locator(".choices select").nth(1).focus()
    opened.keyboard.press("Tab")
    assert detail.inner_text().startswith("token 1,")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowRight")
    assert detail.inner_text().startswith("token 3,")
    opened.keyboard.press("End")
    assert detail.inner_text().startswith(f"token {tokens.count()},")


def test_shares_of_a_distribution_fall_and_the_token_that_came_is_marked(opened: Any) -> None:
    opened.locator(".choices select").first.select_option(label="ngram(order=3)")
    opened.locator(".t").nth(30).focus()
    shares = [float(text.split()[0]) for text in opened.locator(".detail td:nth-child(2)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 100.4
    marked = opened.locator(".detail tr.right th")
    assert marked.count() == 1
    said = opened.locator(".detail .said").inner_text()
    assert f"31, {marked.inner_text()}: " in said
    bits = float(said.split(": ")[1].split()[0])
    share = float(opened.locator(".detail tr.right td").first.inner_text().split()[0])
    assert 100 * 2**-bits == pytest.approx(share, rel=0.02)


def test_the_passage_changes_its_model_and_shows_the_difference_of_two(opened: Any) -> None:
    def looks() -> list[str]:
        found: list[str] = opened.locator(".t").evaluate_all("all => all.map(each => each.className)")
        return found

    first, second = opened.locator(".choices select").all()
    first.select_option(label="uniform")
    assert len({look.split()[1] for look in looks()}) == 1  # it is as much surprised by all
    first.select_option(label="ngram(order=3)")
    assert len({look.split()[1] for look in looks()}) > 3
    second.select_option(label="uniform")
    assert {look.split()[1][0] for look in looks()} <= set("smn")
    assert any(look.split()[1].startswith("n") for look in looks())
    opened.locator(".t").nth(9).focus()
    assert opened.locator(".detail table").count() == 2


def test_a_hostile_corpus_stays_text(opened: Any) -> None:
    assert opened.evaluate("window.hacked === undefined")
    assert opened.locator("img, iframe, object, i").count() == 0
    assert opened.locator("body").is_visible()
    shown = opened.locator(".text").inner_text().replace("·", "")  # what goes on with a character has no text
    assert "<script>window.hacked = 1</script>" in shown
    assert "^[[31m^G<U+202E>evil" in shown
    whole = opened.content()
    assert not set("\x1b\x07\u202e\u2066") & set(whole)


def test_themes_can_be_chosen_and_follow_the_system(browser: Any, single: Path) -> None:
    found = Opened(browser, single, color_scheme="dark", viewport={"width": 390, "height": 800})
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = found.page.evaluate(ground)
    found.page.get_by_label("Theme").select_option("light")
    assert (dark, found.page.evaluate(ground)) == ("rgb(21, 24, 30)", "rgb(255, 255, 255)")
    assert found.page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # of a telephone
    found.close(single)


def test_several_runs_have_a_selector(browser: Any, folders: list[Path], tmp_path: Path) -> None:
    path = write_runs(folders, tmp_path / "both.html", 0.0)
    found = Opened(browser, path)
    assert found.page.locator("main > article:visible").count() == 1
    found.page.get_by_label("Run", exact=True).select_option("1")
    assert "tokenizer word" in found.page.locator("main > article:visible .lead").inner_text()
    found.close(path)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(theme: str, browser: Any, single: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = browser.new_page(color_scheme=theme, bypass_csp=True)
    page.goto(single.as_uri())
    page.locator(".t").nth(3).focus()
    found = axe.Axe().run(page).response["violations"]
    page.close()
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in serious] == []
    assert [each["id"] for each in found] == []
