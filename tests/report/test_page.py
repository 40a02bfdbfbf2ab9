"""The page as a document: whole, self-contained, escaped, with every method and a title for every figure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline.config import Evaluate
from pipeline.methods import METHODS
from pipeline.report.page.building import build_page, papers_mean_and_std
from pipeline.report.page.drawing import Scale, dots, triangles
from pipeline.report.page.examples import LISTS as MOST_LISTS, examples, first_shown
from pipeline.report.page.figures import colour_of
from pipeline.report.page.tables import ShownTable, parse_table, read_tables
from pipeline.report.results.detail_files import Details, read_details
from pipeline.report.results.details import write_details
from pipeline.report.results.published import PUBLISHED
from pipeline.report.results.tables import alignment_table, ordinality_table
from pipeline.report.results.writing import scores_of_seeds, write_tables
from tests.report.made import ABOUT, EPOCHS, LISTS, made_evaluation, made_history, made_prompts

HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">&amp;"

VOID = {"meta", "br", "img", "input", "hr", "link"}


class Element:
    def __init__(self, tag: str, attributes: dict[str, str | None], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children: list[Element] = []
        self.own = ""

    def all(self, tag: str | None = None) -> list[Element]:
        below = [found for child in self.children for found in child.all(tag)]
        return ([self] if tag in (None, self.tag) else []) + below

    @property
    def text(self) -> str:
        return self.own + "".join(child.text for child in self.children)


class Document(HTMLParser):
    """A page as a tree; whatever is not closed in order is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self.at = Element("document", {}, None)
        self.feed(html)
        self.close()
        assert self.at is self.root, f"{self.at.tag} is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), tag
        element = Element(tag, dict(attrs), self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.children.append(Element(tag, dict(attrs), self.at))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.at.tag, f"{tag} closes {self.at.tag}"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.own += data


def made(tmp_path, seeds=(0,), words="The person is speaking calmly.", ids="clip", **about) -> Details:
    prompts = made_prompts(words)
    evaluations = {seed: made_evaluation(seed, prompts, ids) for seed in seeds}
    histories = {seed: made_history(seed) for seed in seeds}
    write_details(evaluations, histories, prompts, ABOUT | about, tmp_path / "details")
    return read_details(tmp_path / "details")


def tables(seeds=(0,)) -> list[ShownTable]:
    settings = Evaluate(split="test1", trials=3, pairs=20, seed=0, alpha=0.05, resamples=100)
    readings, taus, _ = scores_of_seeds({seed: made_evaluation(seed, made_prompts()) for seed in seeds})
    return [
        parse_table(table.markdown())
        for table in (
            alignment_table(readings, corpus="here", available=40, settings=settings),
            ordinality_table(taus, corpus="here", pool=40, settings=settings),
        )
    ]


@pytest.fixture(params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def page(tmp_path, request) -> str:
    return build_page(made(tmp_path, request.param), tables(request.param))


def test_a_figure_has_the_mean_and_deviation_of_its_table(page):
    root = Document(page).root
    sections = {e.attributes["id"]: e for e in root.all("section")}
    in_figures = {e.text for e in sections["spreads"].all("text") if e.attributes["class"] == "number"}
    shown = [
        e.text.lstrip("*†") for e in sections["tables"].all("td") if "paper" not in e.attributes["class"]
    ]
    ours = {text for text in shown if "±" in text}
    assert len(ours) >= 7 * 4 + 2 * len(METHODS)
    assert in_figures == ours


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    root = Document(page).root
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in root.all():
        for name in (element.attributes.get("aria-labelledby") or "").split():
            assert name in ids
        if element.tag == "a":
            assert (element.attributes["href"] or "").removeprefix("#") in ids


def test_the_page_needs_nothing_beside_itself(page):
    root = Document(page).root
    for element in root.all():
        assert not element.attributes.keys() & {"src", "srcset", "action", "data", "poster", "xlink:href"}
        assert (element.attributes.get("href") or "#").startswith("#")
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.tag not in {"link", "img", "iframe", "object", "embed", "base"}
    assert "://" not in page
    for style in root.all("style"):
        assert "url(" not in style.own
        assert "@import" not in style.own
    (policy,) = [e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in (policy.attributes["content"] or "")
    script_rule = (policy.attributes["content"] or "").split("script-src ")[1]
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", script_rule)


def test_every_figure_has_a_title_and_says_what_it_shows(page):
    root = Document(page).root
    figures = root.all("figure")
    assert len(figures) == 2 + 8 + 2 * len(METHODS) + (len(METHODS) - 1)
    for figure in figures:
        assert figure.all("figcaption")[0].text.strip()
        (drawing,) = figure.all("svg")
        title, description = drawing.children[:2]
        assert (title.tag, description.tag) == ("title", "desc")
        assert title.text.strip()
        assert len(description.text.strip()) > 20
        assert drawing.attributes["role"] == "img"
        assert [e for e in drawing.all("text") if e.attributes["class"] == "axis"]


def test_every_method_is_in_every_part(page):
    root = Document(page).root
    sections = {e.attributes["id"]: e.text for e in root.all("section")}
    for name, method in METHODS.items():
        for section in ("glance", "tables", "spreads", "maps", "examples-of-order"):
            assert method.title in sections[section], section
        assert (method.title in sections["training"]) == (method.loss is not None), name


def test_the_paper_s_figures_are_marked_and_none_of_ours_is(page):
    root = Document(page).root
    printed = {value for values in PUBLISHED.values() for value in values.values()} | {"–"}
    marked = [
        e for e in root.all("td") if "paper" in (e.attributes.get("class") or "").split()
    ]  # fmt: skip
    assert marked
    assert {cell.text for cell in marked} <= printed
    unmarked = [e.text for e in root.all("td") if "paper" not in (e.attributes.get("class") or "").split()]
    assert not set(unmarked) & (printed - {"–"})


def test_synthetic_speech_is_warned_of_at_the_top_and_other_speech_is_not(tmp_path):
    with_warning = build_page(made(tmp_path), tables())
    assert with_warning.index("<strong>Synthetic speech.") < with_warning.index('id="glance"')
    assert "Synthetic speech." not in build_page(
        made(tmp_path, synthetic=False, corpus="MSP-Podcast"), tables()
    )


def test_no_text_becomes_markup(tmp_path):
    settings = {"train": {HOSTILE: HOSTILE}}
    details = made(
        tmp_path, words=HOSTILE, ids=HOSTILE, corpus=HOSTILE, split=HOSTILE, settings=settings,
        recipes=[{"modality": HOSTILE, "model": HOSTILE}],
        origins=[ABOUT["origins"][0] | {"device": HOSTILE, "modality": HOSTILE}],
    )  # fmt: skip
    hostile_table = replace(tables()[0], title=HOSTILE, corpora=HOSTILE, notes=[HOSTILE])
    html = build_page(details, [hostile_table])
    root = Document(html).root
    assert root.all("img") == []
    assert len(root.all("script")) == 2
    for section in ("glance", "tables", "examples-of-order", "settings"):
        (found,) = [e for e in root.all("section") if e.attributes["id"] == section]
        assert HOSTILE in found.text, section
    data = json.loads(root.all("script")[0].own)
    assert data["clips"][0].startswith(HOSTILE)


def test_a_method_and_a_seed_more_do_not_break_the_page(tmp_path):
    details = made(tmp_path)
    renamed = {
        name: [row | {"method": "a-later-method"} if row["method"] == "clap-sce" else row for row in rows]
        for name, rows in vars(details).items()
        if name != "about"
    }
    about = details.about | {"methods": ["a-later-method", *details.about["methods"]]}
    html = build_page(Details(**renamed, about=about), tables())
    Document(html)
    assert html.count("a-later-method") > 5


def test_without_table_1_the_page_has_the_rest(tmp_path):
    html = build_page(replace(made(tmp_path), trials=[], epochs=[]), tables()[1:])
    root = Document(html).root
    assert "Alignment, by trial" not in html
    assert "None of the methods was trained." in html
    assert len(root.all("figure")) == 2 + 2 * len(METHODS)


def test_the_same_evaluation_gives_the_same_page(tmp_path):
    assert build_page(made(tmp_path), tables()) == build_page(made(tmp_path), tables())


def test_the_kept_epoch_is_that_of_the_lowest_validation_loss(page, tmp_path):
    history = made_history(0)["emotionrankclap"]
    best = min(range(EPOCHS), key=lambda i: history[i]["validation_loss"]) + 1
    (training,) = [e for e in Document(page).root.all("section") if e.attributes["id"] == "training"]
    figure = next(f for f in training.all("figure") if "EmotionRankCLAP" in f.all("figcaption")[0].text)
    assert f"Kept: epoch {best}" in figure.text


def test_examples_are_those_of_the_details(tmp_path):
    details = made(tmp_path, seeds=(5, 6))
    found = examples(details, 6, {name: name for name in METHODS})
    for row in details.retrievals:
        if row["seed"] == 6:
            example = found["methods"][row["method"]]["tests"][row["test"]][row["list"]]
            at = row["position"]
            assert found["clips"][example["clips"][at]] == row["utterance_id"]
            assert example["values"][at] == round(row["value"], 2)
            assert found["tests"][row["test"]]["lists"][row["list"]][at] == [row["text"], row["intended"]]
    assert len(found["clips"]) == len(set(found["clips"]))


def test_the_first_example_is_the_median_list(tmp_path):
    details = made(tmp_path)
    found = examples(details, 0, {name: name for name in METHODS})
    shown = first_shown(found, "emotionrankclap")
    taus = [
        row["tau"]
        for row in details.lists
        if (row["method"], row["test"]) == ("emotionrankclap", shown["test"])
    ]
    assert len(taus) == LISTS
    assert shown["tau"] == pytest.approx(np.median(taus), abs=1e-3)
    assert len(shown["rows"]) == 14


def test_no_more_lists_than_a_page_can_carry(tmp_path):
    details = made(tmp_path)
    far = [row | {"list": row["list"] + MOST_LISTS - 1} for row in details.retrievals]
    taus = [row | {"list": row["list"] + MOST_LISTS - 1} for row in details.lists]
    found = examples(replace(details, retrievals=far, lists=taus), 0, {name: name for name in METHODS})
    assert list(found["methods"]["clap-sce"]["tests"]["aoc"]) == [MOST_LISTS - 1]


def test_tables_are_read_back_as_they_were_written(tmp_path):
    _, taus, _ = scores_of_seeds({0: made_evaluation(0, made_prompts())})
    settings = Evaluate(split="test1", trials=3, pairs=20, seed=0, alpha=0.05, resamples=100)
    table = ordinality_table(taus, corpus="a | b", pool=40, settings=settings)
    table.write(tmp_path, "table2")
    (shown,) = read_tables(tmp_path)
    minus = [[cell.replace("-0", "−0") for cell in row] for row in table.rows]
    assert [[cell.text for cell in row] for row in shown.rows] == minus
    assert [cell.text for cell in shown.header] == table.header
    assert (shown.title, shown.corpora, shown.notes) == (table.title, table.corpora, table.notes)


def test_every_table_of_an_evaluation_is_read_in_order(tmp_path):
    prompts = made_prompts()
    evaluations = {seed: made_evaluation(seed, prompts) for seed in (0, 1)}
    settings = Evaluate(split="test1", trials=3, pairs=20, seed=0, alpha=0.05, resamples=100)
    write_tables(evaluations, settings, "here", "llm", tmp_path)
    starts = [table.title.split(".")[0] for table in read_tables(tmp_path)]
    assert starts == ["Table 1", "Table 2", "Table 2b", "Further measures"]


def test_a_table_that_is_none_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="must hold tables: run `erclap eval` first"):
        read_tables(tmp_path)
    (tmp_path / "table1.md").write_text("**A title.** and no rows\n")
    with pytest.raises(RuntimeError, match=r"table1\.md must hold a table .*run `erclap eval` again"):
        read_tables(tmp_path)


def test_every_printed_figure_of_the_paper_can_be_drawn():
    for method, values in PUBLISHED.items():
        for measure, printed in values.items():
            mean, std = re.fullmatch(r"(0\.\d+) ± (\.\d+)", printed).groups()
            assert papers_mean_and_std(method, measure) == (float(mean), float(std))


@pytest.mark.parametrize("highest", [0.013, 0.7, 1.0, 3.2, 61.0, 4e4])
def test_ticks_are_few_round_and_inside(highest):
    ticks = Scale(-highest / 3, highest, 0, 100).ticks()
    assert 3 <= len(ticks) <= 9
    assert min(ticks) >= -highest / 3 - 1e-9
    assert max(ticks) <= highest + 1e-9
    assert 0 in ticks


def test_a_path_has_a_mark_for_every_point():
    points = [(1.0, 2.0), (3.25, 4.0), (-5.0, 6.0)]
    assert dots(points).count("M") == triangles(points).count("M") == 3


def test_labels_have_colours_in_order():
    steps = [colour_of(label) for label in np.linspace(1, 7, 100)]
    assert steps == sorted(steps)
    assert set(steps) == set(range(12))
