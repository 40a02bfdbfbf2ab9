"""The page in a real browser: it fits the screen, its chooser works, no text runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path

import pytest

from pipeline.report.page.building import build_page
from tests.browser import BROWSERS, Tab, command, find_browser
from tests.report.test_page import HOSTILE, made, tables


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One browser for all tests."""
    with Tab(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


def show(html: str, folder: Path, tab: Tab) -> tuple[str, list[str]]:
    """The document after its scripts have run, and what the browser's console says."""
    page = folder / "page.html"
    page.write_text(html, encoding="utf-8")
    tab.send("Page.navigate", url="about:blank")  # what the last page had still to say is read
    tab.console.clear()
    tab.open(page.as_uri())
    tab.ask("new Promise((done) => setTimeout(done, 300))")  # for what is done late
    return tab.ask("document.documentElement.outerHTML"), list(tab.console)


def ask(html: str, folder: Path, tab: Tab, script: str, width: int = 1400) -> dict:
    """What a script finds out about the page: the value of `answer`. The policy against scripts is taken out.

    The page is shown in a frame, as a window of a browser cannot be as narrow as a phone.
    """
    free = re.sub(r"<meta http-equiv=[^>]*>", "", html)
    assert free != html
    asking = (
        f"<script>addEventListener('load', () => {{ const answer = {{}}; {script};"
        "parent.document.getElementById('answer').textContent = JSON.stringify(answer); })</script>"
    )
    framed = escape(free.replace("</body>", f"{asking}</body>"))
    frame = f'<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{framed}"></iframe>'
    dom, console = show(f'<!DOCTYPE html><meta charset="utf-8"><pre id="answer"></pre>{frame}', folder, tab)
    assert console == []
    answer = re.search(r'<pre id="answer">(.*?)</pre>', dom, re.DOTALL)
    return json.loads(unescape(answer[1]))


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [("", pytest.skip.Exception), ("true", pytest.fail.Exception)],
    ids=["elsewhere", "in CI"],
)
def test_without_a_browser_tests_are_skipped_but_fail_in_ci(monkeypatch, tmp_path, ci, outcome):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="none of chromium, .* is on the path"):
        command(tmp_path)


@pytest.mark.parametrize("name", BROWSERS)
def test_a_browser_of_any_known_name_is_found(monkeypatch, tmp_path, name):
    (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() == str(tmp_path / name)


@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_fits_the_screen_and_figures_are_drawn(tmp_path, tab, width):
    found = ask(
        build_page(made(tmp_path), tables()),
        tmp_path,
        tab,
        """
        answer.inner = innerWidth; answer.content = document.documentElement.scrollWidth;
        answer.drawings = [...document.querySelectorAll("figure svg")].map((drawing) => {
          const box = drawing.getBoundingClientRect();
          const folded = drawing.closest("details:not([open])") !== null;
          return { folded, width: box.width, height: box.height };
        });
        answer.outside = [...document.querySelectorAll("figure:not(details figure) svg text")].filter((text) => {
          const box = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
          return box.left < all.left - 1 || box.right > all.right + 1 || box.bottom > all.bottom + 1;
        }).map((text) => text.textContent)
        """,
        width,
    )
    assert found["inner"] == width
    assert found["content"] <= width
    assert found["outside"] == []
    shown = [drawing for drawing in found["drawings"] if not drawing["folded"]]
    assert len(shown) == len(found["drawings"]) - 6
    assert all(drawing["width"] > 300 and drawing["height"] > 150 for drawing in shown)


def test_the_chooser_shows_any_list_of_any_method(tmp_path, tab):
    details = made(tmp_path)
    found = ask(
        build_page(details, tables()),
        tmp_path,
        tab,
        """
        const set = (id, value) => {
          const select = document.getElementById(id);
          select.value = value; select.dispatchEvent(new Event("change"));
        };
        const rows = () => [...document.querySelectorAll("#rows tr")].map((row) =>
          [...row.cells].map((cell) => cell.textContent.trim()));
        answer.first = rows();
        answer.verdict = document.getElementById("verdict").textContent;
        set("method", "clap-sce"); set("test", "voc"); set("list", "2");
        answer.chosen = rows();
        answer.chosenVerdict = document.getElementById("verdict").textContent;
        document.getElementById("next").click();
        answer.after = document.getElementById("list").value;
        document.getElementById("lowest").click();
        answer.lowest = Number(document.getElementById("list").value);
        """,
    )
    wanted = [
        [str(row["position"] + 1), row["text"], f"{row['intended']:.1f}", row["utterance_id"]]
        for row in details.retrievals
        if (row["method"], row["test"], row["list"]) == ("clap-sce", "voc", 2)
    ]
    assert [row[:4] for row in found["chosen"]] == wanted
    taus = {
        row["list"]: row["tau"]
        for row in details.lists
        if (row["method"], row["test"]) == ("clap-sce", "voc")
    }
    assert f"CLAP-SCE (A-V), valence (VOC), list 3: τ = {round(taus[2], 3):.3f}" in found["chosenVerdict"]
    assert found["after"] == "0"
    assert round(taus[found["lowest"]], 3) == round(min(taus.values()), 3)
    assert len(found["first"]) == 14
    assert "EmotionRankCLAP (A-V), arousal (AOC)" in found["verdict"]


def test_the_first_example_is_the_same_with_and_without_scripts(tmp_path, tab):
    html = build_page(made(tmp_path), tables())
    found = ask(html, tmp_path, tab, 'answer.rows = document.getElementById("rows").textContent')
    without = re.search(r'<tbody id="rows">(.*?)</tbody>', html, re.DOTALL)[1]
    plain = unescape(re.sub(r"<[^>]*>", "", without))
    assert found["rows"].split() != []
    assert "".join(found["rows"].split()) == "".join(plain.split())


def test_no_sentence_and_no_id_runs(tmp_path, tab):
    html = build_page(made(tmp_path, words=HOSTILE, ids=HOSTILE, corpus=HOSTILE), tables())
    dom, console = show(html, tmp_path, tab)
    assert console == []
    assert "<title>EmotionRankCLAP on &lt;/script&gt;" in dom
    assert not re.search(r"<img", dom.split('<script type="application/json"')[0])


def test_the_browser_refuses_any_script_that_is_not_the_page_s(tmp_path, tab):
    html = build_page(made(tmp_path), tables())
    strange = "<script>document.title = 'ran'</script>"
    dom, console = show(html.replace("</body>", f"{strange}</body>"), tmp_path, tab)
    assert "<title>ran</title>" not in dom
    assert any("Content Security Policy" in line for line in console)
    assert 'id="chooser"' in dom
    assert not re.search(r'id="chooser"[^>]* hidden', dom)
