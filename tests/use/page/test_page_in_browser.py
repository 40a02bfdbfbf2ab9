"""The page in a real browser, driven as a person would: one server and one browser for all tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.use.page.library import Library
from pipeline.use.page.serving import Server
from tests.browser import Tab
from tests.use.page.conftest import TOKEN
from tests.use.page.made import CAPTIONS, HOSTILE, RECORDINGS

ONE_OF_EACH = len(RECORDINGS)
RESULTS = "document.querySelectorAll('.result')"
STATUS = "document.getElementById('status').textContent"
FOUND = f"{STATUS}.startsWith('{ONE_OF_EACH} recordings for') && !document.querySelector('[aria-busy]')"


PALE = """
(() => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (!color.endsWith(", 0)")) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const told = document.querySelectorAll("h1, h2, p, a, button, label, dt, dd, .name, .time, .score, .rank");
  return [...told]
    .filter((one) => one.offsetParent && one.textContent.trim() && contrast(one) < 4.5)
    .map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 20)}`);
})()
"""
"""Texts whose contrast is too low to be read with ease."""


def element(name: str) -> str:
    return f"document.getElementById('{name}')"


def _serving(library: Library, **options: str) -> Iterator[Server]:
    server, begun = Server("127.0.0.1", 0, **options), threading.Event()
    thread = threading.Thread(target=server.serve, args=(library, begun.set))
    thread.start()
    assert begun.wait(30)
    yield server
    server.stop()
    thread.join(30)


@pytest.fixture(scope="module")
def server(library: Library) -> Iterator[Server]:
    yield from _serving(library)


@pytest.fixture(scope="module")
def only_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with Tab(tmp_path_factory.mktemp("browser"), *microphone) as tab:
        yield tab


@pytest.fixture
def tab(only_tab: Tab, server: Server) -> Iterator[Tab]:
    """The page as it opens, on a desktop. What its console says at the end must be nothing."""
    only_tab.screen(1280)
    only_tab.console.clear()
    only_tab.open(server.address)
    only_tab.wait(f"!{element('page')}.hidden && document.querySelector('.places').getAttribute('d')")
    yield only_tab
    assert only_tab.console == []


def typed(tab: Tab, text: str) -> None:
    tab.click(element("text"))
    tab.ask(f"{element('text')}.select()")
    tab.write(text)
    tab.key("Enter")


def place(tab: Tab, valence: float, arousal: float) -> tuple[float, float]:
    """Where a mood lies on the screen."""
    left, top, width, height = tab.ask(
        "(() => { const box = document.querySelector('.ground').getBoundingClientRect();"
        "return [box.x, box.y, box.width, box.height] })()"
    )
    return left + (valence - 1) / 6 * width, top + (7 - arousal) / 6 * height


def test_a_typed_sentence_is_searched_and_stands_in_the_address(tab):
    typed(tab, "window 3")
    tab.wait(FOUND)
    assert tab.ask(f"{RESULTS}[0].querySelector('.name').textContent") == "b/dread.mp3"
    assert tab.ask(f"{RESULTS}[0].querySelector('.score').textContent") == "score 1.000"
    assert tab.ask("location.hash") == "#q=window+3"
    assert tab.ask(STATUS) == f"{ONE_OF_EACH} recordings for “window 3”"
    assert tab.ask("document.querySelectorAll('.mark').length") == ONE_OF_EACH
    assert tab.ask("document.querySelector('.point .about') !== null")


def test_an_address_that_is_handed_on_shows_the_same_search_and_back_leads_back(tab, server):
    tab.open(f"{server.address}#q=window+4")
    tab.wait(f"{FOUND} && {RESULTS}[0].textContent.includes('elation')")
    assert tab.ask(f"{element('text')}.value") == "window 4"
    typed(tab, "window 0")
    tab.wait(f"{FOUND} && {RESULTS}[0].textContent.includes('anger')")
    tab.ask("history.back()")
    tab.wait(f"{FOUND} && {RESULTS}[0].textContent.includes('elation')")


def test_an_example_is_searched(tab):
    tab.click("document.querySelector('.examples button')")
    tab.wait(FOUND)
    assert tab.ask(f"{element('text')}.value") == tab.ask(
        "document.querySelector('.examples button').textContent"
    )


def test_a_click_on_the_plane_is_a_mood(tab):
    tab.drag([place(tab, 2.0, 2.0)])
    tab.wait(FOUND)
    assert tab.ask("location.hash") == "#valence=2&arousal=2"
    assert tab.ask(f"[{element('valence')}.value, {element('arousal')}.value]") == ["2", "2"]
    assert tab.ask(f"{RESULTS}[0].querySelector('.name').textContent") == "a/bliss.flac"


def test_a_drag_searches_on_its_way_and_leaves_one_step_of_history(tab):
    before = tab.ask("history.length")
    way = [place(tab, 1 + step, 1 + step) for step in np.linspace(0, 5, 8)]
    tab.mouse("mouseMoved", *way[0])
    tab.mouse("mousePressed", *way[0], button="left", clickCount=1)
    for at in way[1:]:
        tab.mouse("mouseMoved", *at, button="left", buttons=1)
    tab.wait(f"{RESULTS}.length === {ONE_OF_EACH}")  # while the button is down
    tab.mouse("mouseReleased", *way[-1], button="left", clickCount=1)
    tab.wait(f"{STATUS} === '{ONE_OF_EACH} recordings for valence 6.0, arousal 6.0'")
    assert tab.ask("history.length") <= before + 1


def test_a_result_and_its_mark_on_the_plane_show_each_other(tab, server):
    tab.open(f"{server.address}#valence=4&arousal=4")
    tab.wait(FOUND)
    tab.mouse("mouseMoved", *tab.middle(f"{RESULTS}[1]"))
    tab.wait(f"document.querySelector('.mark.looked')?.dataset.id === {RESULTS}[1].dataset.id")
    identity = tab.ask(f"{RESULTS}[0].dataset.id")
    tab.mouse("mouseMoved", *tab.middle(f"document.querySelector('.mark[data-id=\"{identity}\"]')"))
    tab.wait(f"{RESULTS}[0].classList.contains('looked')")
    tab.click(f"document.querySelector('.mark[data-id=\"{identity}\"]')")
    tab.wait(f"document.activeElement === {RESULTS}[0].querySelector('.play')")


def test_only_what_is_played_is_loaded_and_one_plays_at_a_time(tab):
    loaded = (
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/audio/')).length"
    )
    typed(tab, "window 7")  # the second window of the long one
    tab.wait(FOUND)
    assert tab.ask(f"{RESULTS}[0].querySelector('.time').textContent") == "0:02–0:04"
    assert tab.ask(loaded) == 0
    tab.click(f"{RESULTS}[0].querySelector('.play')")
    tab.wait("document.getElementById('player').currentTime > 2.05")
    assert tab.ask("document.getElementById('player').currentTime < 4.1")
    tab.click(f"{RESULTS}[1].querySelector('.play')")
    tab.wait(f"{RESULTS}[1].classList.contains('playing') && {element('player')}.currentTime > 0.05")
    assert tab.ask("document.querySelectorAll('.playing').length") == 1
    assert tab.ask(loaded) >= 2
    tab.click(f"{RESULTS}[1].querySelector('.play')")
    assert tab.ask("document.querySelectorAll('.playing').length") == 0


def test_a_window_plays_to_its_end_and_a_click_on_its_outline_begins_there(tab):
    typed(tab, "window 7")
    tab.wait(f"{FOUND} && {RESULTS}[0].querySelector('.wave svg')")
    x, y, width = tab.ask(
        f"(() => {{ const box = {RESULTS}[0].querySelector('.wave').getBoundingClientRect();"
        "return [box.x, box.y + 5, box.width] })()"
    )
    tab.drag([(x + 0.9 * width, y)])
    tab.wait(f"{element('player')}.currentTime > 3.75")
    tab.wait("document.querySelectorAll('.playing').length === 0")


@pytest.mark.parametrize("path", list(RECORDINGS)[:6])
def test_every_format_plays(tab, path):
    typed(tab, f"window {list(RECORDINGS).index(path)}")
    tab.wait(f"{FOUND} && {RESULTS}[0].querySelector('.name').textContent === {path!r}")
    tab.click(f"{RESULTS}[0].querySelector('.play')")
    tab.wait(f"{element('player')}.currentTime > 0.05")
    tab.click(f"{RESULTS}[0].querySelector('.play')")


def test_more_like_one_is_searched_by_it(tab):
    typed(tab, "window 1")
    tab.wait(FOUND)
    tab.click(f"{RESULTS}[0].querySelector('.like')")
    tab.wait(f"{STATUS}.endsWith('for more like that one')")
    assert tab.ask("location.hash").startswith("#like=")
    assert tab.ask(f"[...{RESULTS}].some((row) => row.textContent.includes('a/bliss.flac'))") is False
    assert tab.ask(f"document.activeElement === {element('heading')}")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spoken") / "my <b>voice.wav"
    soundfile.write(file, 0.1 * np.random.default_rng(5).standard_normal(80_000), 16_000)
    return file


def test_a_dropped_recording_is_heard(tab, spoken):
    tab.drop(spoken, 640, 300)
    tab.wait(f"!{element('heard')}.hidden")
    assert tab.ask("document.querySelector('#heard h3 bdi').textContent") == spoken.name
    assert tab.ask(f"{element('dropping')}.hidden")
    assert tab.ask(
        "[...document.querySelectorAll('#heard .buttons button')].map((one) => one.textContent)"
    ) == [
        "0:00–0:02",
        "0:02–0:04",
        "0:03–0:05",
    ]
    assert tab.ask("document.querySelectorAll('.sentence').length") == len(CAPTIONS)
    assert tab.ask("document.querySelectorAll('path.heard').length") == 3
    assert tab.ask(f"{RESULTS}.length") == ONE_OF_EACH
    tab.click("document.querySelectorAll('#heard .buttons button')[1]")
    assert tab.ask("document.querySelector('#heard .time').textContent") == "0:02–0:04"
    assert tab.ask("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert tab.ask("document.querySelectorAll('path.heard')[1].classList.contains('chosen')")
    tab.click("document.querySelector('.sentence')")
    tab.wait(f"{FOUND} && {element('heard')}.hidden")


def test_a_chosen_recording_that_is_none_is_refused_in_words(tab, tmp_path):
    (tmp_path / "letter.wav").write_bytes(b"Dear sirs")
    document = tab.send("DOM.getDocument")["root"]["nodeId"]
    node = tab.send("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    tab.send("DOM.setFileInputFiles", files=[str(tmp_path / "letter.wav")], nodeId=node)
    tab.wait(f"!{element('error')}.hidden")
    assert "This recording cannot be heard: not readable as audio" in tab.ask(
        f"{element('error')}.textContent"
    )
    typed(tab, "window 1")
    tab.wait(f"{FOUND} && {element('error')}.hidden")
    assert any("422" in line for line in tab.console)
    tab.console.clear()


def test_what_the_microphone_hears_is_heard(tab):
    tab.click(element("record"))
    tab.wait(
        f"{element('record')}.textContent.startsWith('Stop (') && !{element('record')}.textContent.includes('(0')"
    )
    tab.click(element("record"))
    tab.wait(f"!{element('heard')}.hidden")
    assert tab.ask("document.querySelector('#heard h3 bdi').textContent") == "your recording.wav"
    assert tab.ask(f"{element('record')}.textContent") == "Record"


def test_the_keyboard_alone_does_all(tab):
    tab.key("Tab")  # the way round the page's controls
    assert tab.ask("document.activeElement.className") == "skip"
    tab.key("Tab")
    assert tab.ask("document.activeElement.id") == "text"
    tab.write("window 2")
    tab.key("Enter")
    tab.wait(f"{FOUND} && {RESULTS}[0].textContent.includes('calm')")
    for _ in range(40):
        tab.key("Tab")
        if tab.ask("document.activeElement.id") == "arousal":
            break
    for _ in range(3):
        tab.key("ArrowRight")
    asked = f"(+{element('arousal')}.value).toFixed(1)"
    tab.wait(f"{FOUND} && {STATUS}.endsWith('arousal ' + {asked}) && location.hash.startsWith('#valence')")
    assert tab.ask(f"{element('arousal')}.getAttribute('aria-valuetext')").endswith(" on 1 to 7")
    for _ in range(40):
        tab.key("Tab")
        if tab.ask("document.activeElement.className") == "play":
            break
    assert tab.ask("document.activeElement.getAttribute('aria-label')").startswith("Play 1: ")
    assert tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.wait("document.querySelector('.mark.looked') !== null")
    tab.key(" ")
    tab.wait(f"{element('player')}.currentTime > 0.05")
    assert tab.ask("document.activeElement.getAttribute('aria-label')").startswith("Stop 1: ")
    tab.key(" ")
    tab.key("Tab")
    assert tab.ask("document.activeElement.getAttribute('aria-label')").startswith("More like 1: ")
    tab.key("Enter")
    tab.wait(f"{STATUS}.endsWith('for more like that one')")


def test_who_is_in_the_list_stays_there_when_other_results_come(tab):
    typed(tab, "window 2")
    tab.wait(FOUND)
    before = tab.ask(f"{RESULTS}[1].textContent")
    tab.ask(f"{RESULTS}[1].querySelector('.like').focus()")
    tab.ask("location.hash = '#valence=1&arousal=7'")
    tab.wait(f"{FOUND} && {STATUS}.endsWith('arousal 7.0')")
    assert tab.ask(f"{RESULTS}[1].textContent") != before
    assert tab.ask("document.activeElement.getAttribute('aria-label')").startswith("More like 2: ")


def test_every_control_has_a_name_and_what_changes_is_announced(tab):
    typed(tab, "window 2")
    tab.wait(FOUND)
    nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
    controls = [
        (one["role"]["value"], one.get("name", {}).get("value", ""))
        for one in nodes
        if not one["ignored"] and one["role"]["value"] in ("button", "slider", "searchbox", "textbox", "link")
    ]
    assert len(controls) > 2 * ONE_OF_EACH + 8
    assert [role for role, name in controls if not name.strip()] == []
    assert ("slider", "Valence") in controls
    assert ("searchbox", "How should it sound?") in controls
    assert tab.ask(f"{element('status')}.getAttribute('aria-live')") == "polite"


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_fits_the_screen_and_can_be_read(tab, width, dark):
    tab.screen(width, dark=dark)
    typed(tab, "window 2")
    tab.wait(FOUND)
    assert tab.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert tab.ask(f"{RESULTS}[0].getBoundingClientRect().width") > width / 2.5
    poor = tab.ask(PALE)
    assert poor == []


def test_names_of_files_are_text(tab):
    typed(tab, "window 5")
    tab.wait(f"{FOUND} && {RESULTS}[0].textContent.includes('img')")
    assert tab.ask(f"{RESULTS}[0].querySelector('.name').textContent") == f"c/{HOSTILE}"
    assert tab.ask("document.querySelectorAll('#results img').length") == 0
    assert tab.ask("document.title") == "“window 5” – search by how it sounds"


def test_what_goes_wrong_is_said_in_words(tab, monkeypatch, server):
    tab.open(f"{server.address}#like=0123456789abcdef-0")
    tab.wait(f"!{element('error')}.hidden")
    assert tab.ask(f"{element('error')}.textContent") == "The index has no such window."
    tab.send("Network.enable")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    tab.send("Network.emulateNetworkConditions", offline=True, **offline)
    try:
        typed(tab, "window 1")
        tab.wait(f"{element('error')}.textContent.startsWith('The server does not answer')")
    finally:
        tab.send("Network.emulateNetworkConditions", offline=False, **offline)
    monkeypatch.setattr(
        Library,
        "search",
        lambda library, question, sentence: {"query": {"valence": None, "arousal": None}, "results": []},
    )
    typed(tab, "nobody")
    tab.wait(f"{STATUS} === 'Nothing was found for “nobody”.'")
    tab.console.clear()


def test_while_it_is_searched_that_is_said(tab, monkeypatch):
    held, search = threading.Event(), Library.search

    def slow(library: Library, *asked: object) -> dict:
        held.wait(30)
        return search(library, *asked)

    monkeypatch.setattr(Library, "search", slow)
    typed(tab, "window 1")
    tab.wait("document.querySelector('#found[aria-busy]') !== null")
    assert tab.ask(STATUS) == "Searching…"
    held.set()
    tab.wait(FOUND)


def test_with_a_token_the_printed_address_opens_and_any_other_asks_for_it(only_tab, library):
    for server in _serving(library, token=TOKEN):
        only_tab.console.clear()
        only_tab.open(server.address)
        only_tab.wait(f"!{element('enter')}.hidden && document.activeElement === {element('token')}")
        assert only_tab.ask(f"{element('page')}.hidden")
        only_tab.write("another")
        only_tab.key("Enter")
        only_tab.wait(f"{element('refused')}.textContent.startsWith('This is not the token')")
        only_tab.ask(f"{element('token')}.select()")
        only_tab.write(TOKEN)
        only_tab.key("Enter")
        only_tab.wait(f"!{element('page')}.hidden && {element('enter')}.hidden")
        assert only_tab.ask("document.cookie") == ""
        only_tab.send("Network.clearBrowserCookies")
        only_tab.open(f"{server.address}#token={TOKEN}")
        only_tab.wait(f"!{element('page')}.hidden")
        assert TOKEN not in only_tab.ask("location.href")
        assert all("401" in line for line in only_tab.console)
