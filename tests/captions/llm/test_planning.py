"""What is asked: a request a cell and draw, by each clip's own name, and a full corpus in one go."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.captions.llm.answers import Answers
from pipeline.captions.llm.captioner import LlmCaptioner
from pipeline.captions.llm.estimate import estimate
from pipeline.captions.llm.planning import Planner, rounded, spoken, word_prompts
from pipeline.captions.prompts import ordinality_plan
from pipeline.config import Caption, LlmCaptions, LlmRuntime
from pipeline.manifest import Utterance

SPLITS = {"train": 90_022, "development": 25_258, "test1": 34_963}
"""MSP-Podcast 1.12 after the paper's filter."""


def planner(lists: int = 100, seed: int = 0, **settings: object) -> Planner:
    return Planner.of(LlmCaptions(model="m", **settings), seed, lists)


def utterance(name: str, valence: float = 4.2, arousal: float = 4.4, emotion: str = "N") -> Utterance:
    return Utterance(name, f"{name}.wav", "train", valence, arousal, emotion=emotion)


@given(st.integers(100, 700), st.sampled_from([0.1, 0.2, 0.25, 0.5, 1.0, 3.0]))
def test_a_rounded_label_is_the_nearest_multiple_of_the_step(hundredths, step):
    label = hundredths / 100
    cell = rounded(label, step)
    assert abs(cell - label) <= step / 2 + 1e-9
    assert math.isclose(cell / step, round(cell / step), abs_tol=1e-6)


@pytest.mark.parametrize("variant", ["va", "clap4emo"])
def test_a_clips_pick_depends_on_its_name_its_labels_and_the_seed_alone(variant):
    one = planner()
    picks = {name: one.pick(utterance(name), variant) for name in map(str, range(50))}
    other = planner()
    assert {name: other.pick(utterance(name), variant) for name in reversed(list(picks))} == picks
    assert len(set(picks.values())) > 5
    assert {name: planner(seed=1).pick(utterance(name), variant) for name in picks} != picks


def test_clips_of_one_cell_share_its_draws_evenly():
    plan = planner(draws=5, step=0.5)
    picks = Counter(plan.pick(utterance(str(i), 4.1 + 0.1 * (i % 3)), "va").request for i in range(5000))
    assert {request.key.cell for request in picks} == {"4 4.5", "4.5 4.5"}
    assert {request.key.draw for request in picks} == set(range(5))
    in_low = [n for request, n in picks.items() if request.key.cell == "4 4.5"]
    assert max(in_low) < 1.3 * min(in_low)


def test_a_pool_has_as_many_captions_as_asked_for():
    plan = planner(pool=30)
    picks = {plan.pick(utterance(str(i)), "clap4emo") for i in range(2000)}
    assert len(picks) == 30
    assert len({pick.request for pick in picks}) == 10
    assert {pick.request.key.cell for pick in picks} == {"N neutral"}  # the lexicon has no words of it


@pytest.mark.parametrize(("words", "draws"), [(2, 5), (10, 1), (25, 1), (1000, 1)])
def test_the_words_of_a_class_are_gone_through_evenly(words, draws, tmp_path):
    file = tmp_path / "nrc.txt"
    file.write_text("".join(f"word{i:04}\tanger\t1\nword{i:04}\tjoy\t0\n" for i in range(words)))
    plan = planner(pool=30, nrc_file=str(file))
    requests = {plan.pick(utterance(str(i), emotion="A"), "clap4emo").request for i in range(2000)}
    assert len(requests) == 10
    by_word = Counter(request.key.cell for request in requests)
    assert len(by_word) == min(words, 10)
    assert set(by_word.values()) == {draws}
    if words == 1000:
        assert sorted(by_word)[-1] >= "A word0900"  # not the first ten


def test_every_prompt_of_the_test_is_a_request_of_its_own_and_none_is_a_captions():
    plan = ordinality_plan(100)
    one = planner()
    first = [one.request_of_prompt(prompt) for prompt in plan]
    again = [one.request_of_prompt(prompt, turn=1) for prompt in plan]
    assert len({*first, *again}) == 2 * 2800
    captions = {one.pick(utterance(str(i)), "va").request for i in range(1000)}
    assert not captions & {*first, *again}
    asked = {(r.key.kind, *map(float, r.key.cell.split())) for r in first}
    assert asked == {(p.test, p.valence, p.arousal) for p in plan}


def test_other_prompts_and_temperatures_and_models_have_other_keys(tmp_path):
    (tmp_path / "mine.txt").write_text("Be {VALENCE} and {AROUSAL}.")
    keys = {
        planner(**settings).pick(utterance("a"), "va").request.key
        for settings in ({}, {"temperature": 1.0}, {"template": str(tmp_path / "mine.txt")})
    }
    assert len(keys) == 3
    assert Planner.of(LlmCaptions(model="n"), 0, 1).pick(utterance("a"), "va").request.key not in keys


def test_dominance_that_is_missing_names_the_clip():
    with pytest.raises(ValueError, match="needs the dominance of every utterance, found none for 'a'"):
        planner(dominance=True).pick(utterance("a"), "va")


def test_a_prompt_avoids_captions_and_its_own_list_by_more_draws():
    plan, one = ordinality_plan(1), planner(lists=1)

    def text_of(request):
        return "Taken, twice." if request.key.draw == 0 else f"Free {request.key}."

    result = word_prompts(plan, one, text_of, {"taken twice"})
    assert not result.missing
    assert not result.hopeless
    assert all(prompt.text.startswith("Free") for prompt in result.worded)
    result = word_prompts(plan, one, text_of, set())
    assert sum(spoken(prompt.text) == "taken twice" for prompt in result.worded) == 2  # once a list


def realistic_corpus() -> list[Utterance]:
    """Means of five to eight whole ratings a clip, spread and correlated as in the release."""
    rng = np.random.default_rng(0)
    count = sum(SPLITS.values())
    centre = rng.multivariate_normal([4.24, 4.38], [[0.7, 0.24], [0.24, 0.88]], count)
    raters = rng.integers(5, 9, count)
    ratings = np.clip(np.rint(centre[:, None] + rng.normal(0, 0.7, (count, 8, 2))), 1, 7)
    counted = (np.arange(8)[None] < raters[:, None])[..., None]
    labels = (ratings * counted).sum(1) / raters[:, None]
    splits = np.repeat(list(SPLITS), list(SPLITS.values())).tolist()
    emotions = rng.choice(list("ASHUFDCN"), count).tolist()
    return [
        Utterance(f"MSP-PODCAST_{i:06}", f"{i}.wav", splits[i], v, a, emotion=emotions[i])
        for i, (v, a) in enumerate(labels.tolist())
    ]


def test_a_full_corpus_takes_thousands_of_requests_and_not_a_hundred_thousand():
    corpus = realistic_corpus()
    assert len({(u.valence, u.arousal) for u in corpus}) < len(corpus) / 10  # ties as in the release
    settings = Caption(captioner="llm", seed=0, prompt_lists=100, llm=LlmCaptions(model="m"))
    captioner = LlmCaptioner(corpus, ["clap4emo", "va"], settings, LlmRuntime())
    requests = captioner.requests()
    counts = Counter(request.key.kind for request in requests)
    cells = {(rounded(u.valence, 0.25), rounded(u.arousal, 0.25)) for u in corpus}
    assert len(cells) < counts["va"] <= 8 * len(cells)
    assert counts["clap4emo"] == 8 * 200
    assert (counts["voc"], counts["aoc"]) == (1400, 1400)
    prices = LlmRuntime(price_per_million_input_tokens=2.0, price_per_million_output_tokens=8.0)
    found = estimate(requests, Answers(), prices, attempts=3)
    assert found.to_send == len(requests)
    assert found.cost == pytest.approx((found.input_tokens * 2 + found.output_tokens * 8) / 1e6, rel=1e-3)
    tokens = sum(len(request.text) for request in requests) / 4
    assert found.input_tokens == pytest.approx(tokens, abs=1)
