"""params.yaml as typed models: an unknown key, a missing one or a wrong type is an error that names it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.methods import method

PARAMS_FILE = Path("params.yaml")

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Session = Annotated[int, Field(ge=1, le=5)]
Dtype = Literal["float32", "bfloat16", "float16"]


class Section(BaseModel):
    """A section of params.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Sample(Section):
    """The synthetic sample corpus."""

    utterances: Count
    seed: int


class Table(Section):
    """A CSV or parquet file of one's own, one row a clip."""

    file: str
    columns: dict[str, str]
    """The manifest's name of a column → the file's name of it."""
    splits: dict[str, str] = Field(default_factory=dict)
    """A value in the file's split column → the manifest's split; what is not listed stays as it is."""
    drop: dict[str, list[str]] = Field(default_factory=dict)
    """The manifest's name of a column → values of the file whose rows are left out; "" is an empty cell."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] = [1.0, 7.0]
    """The file's lowest and highest possible label; labels are rescaled to 1..7."""


MspEmotion = Literal["A", "S", "H", "U", "F", "D", "C", "N", "O", "X"]
IemocapEmotion = Literal["ang", "sad", "hap", "exc", "sur", "fea", "dis", "neu", "fru", "oth", "xxx"]


class MspDrop(Section):
    """Clips of MSP-Podcast that are left out."""

    emotion: list[MspEmotion] = []
    split: list[Literal["train", "development", "test1", "test2", "test3"]] = []


class IemocapDrop(Section):
    """Turns of IEMOCAP that are left out."""

    emotion: list[IemocapEmotion] = []


class MspPodcast(Section):
    """A release of MSP-Podcast."""

    release: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    """Which one it is, such as "1.12", where the folder's name does not say it."""
    drop: MspDrop = MspDrop(emotion=["X", "O"])
    """No agreement and other, as in the paper."""
    transcripts: bool = False
    """Read what is said in each clip: one small file a clip."""


class Iemocap(Section):
    """IEMOCAP."""

    test_sessions: Annotated[list[Session], Field(min_length=1)] = [5]
    development_sessions: Annotated[list[Session], Field(min_length=1)] = [4]
    """No speaker is in two sessions; those that are named nowhere are for training."""
    drop: IemocapDrop = IemocapDrop(emotion=["fru", "oth", "xxx"])
    """Frustrated, other, no majority: they have no class, which some methods need. Take them in with {}."""
    transcripts: bool = False

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := sorted({*self.test_sessions} & {*self.development_sessions}):
            raise ValueError(f"a session must be for test or for development, found {both[0]} in both")
        return self


class Prepare(Section):
    """Stage prepare: a corpus on disk to data/manifest.parquet."""

    corpus: Literal["sample", "table", "msp-podcast", "iemocap"]
    root: str
    """The folder that the clips' paths are relative to: of a published corpus, its own."""
    sample: Sample | None = None
    table: Table | None = None
    msp_podcast: MspPodcast = MspPodcast()
    iemocap: Iemocap = Iemocap()

    @property
    def folder(self) -> Path:
        """Where the corpus lies: ERCLAP_CORPUS_ROOT where it is set, otherwise `root`.

        So that teammates with the corpus mounted elsewhere share one params.yaml, and one lock file. The sample
        is written, not mounted, and stays in its `root`.
        """
        mounted = os.environ.get("ERCLAP_CORPUS_ROOT") if self.corpus != "sample" else None
        return Path(mounted or self.root)


class Paraclap(Section):
    """The captions `paraclap`."""

    features: Literal["paper", "original"] = "paper"
    """What is described: pitch, jitter, shimmer and articulation rate as in the paper, or as in ParaCLAP itself
    pitch, pitch variation, loudness, jitter, shimmer and duration."""


class LlmCaptions(Section):
    """What a language model is asked for. How it is asked is in runtime.llm."""

    model: Annotated[str, Field(min_length=1)]
    step: Annotated[float, Field(gt=0, le=6)] = 0.25
    """Labels are rounded to multiples of this: clips of one cell share its captions."""
    draws: Count = 8
    """Captions of a cell, of which each clip picks one."""
    dominance: bool = False
    template: str | None = None
    """A file with a prompt of one's own in place of the paper's Figure 2."""
    template_with_dominance: str | None = None
    template_of_classes: str | None = None
    """The prompt of CLAP4emo's pools."""
    pool: Count = 600
    """Captions of an emotion class for CLAP4emo, of which each clip picks one."""
    nrc_file: str | None = None
    """The NRC word-emotion lexicon, for CLAP4emo's prompt."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """None leaves it to the endpoint. Models that reason take none."""
    max_tokens: Count = 200
    """Of an answer; what a model that reasons thinks comes on top."""
    attempts: Count = 3
    """Answers that are paid for one caption before it counts as failed."""


class Caption(Section):
    """Stage caption: labels to sentences."""

    captioner: Literal["lexicon", "llm"]
    seed: int
    prompt_lists: Annotated[int, Field(ge=1, le=10_000)]
    """Lists of the ordinality test, for valence and for arousal each."""
    paraclap: Paraclap = Paraclap()
    llm: LlmCaptions | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.captioner == "llm" and self.llm is None:
            raise ValueError("captioner llm must have a section llm with at least a model, found none")
        return self


class SpeechSettings(Section):
    """The frozen speech encoder."""

    model: str
    revision: str | None
    pooling: Literal["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
    padding: Literal["masked", "literal"]
    crop_seconds: Annotated[float, Field(ge=0.025, le=120)]


class TextSettings(Section):
    """The frozen text encoder."""

    model: str
    revision: str | None
    max_tokens: Count


class Extract(Section):
    """Stage extract: clips and sentences to features."""

    compute_dtype: Dtype
    speech: SpeechSettings
    text: TextSettings


class Train(Section):
    """Stage train: the projection heads of every method."""

    methods: Annotated[list[str], Field(min_length=1)]
    seed: int
    seeds: Count = 1
    """How many seeds of each method are trained together, from `seed` on."""
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    embedding_size: Count
    temperature: Annotated[float, Field(ge=0.01, le=100)]
    relu: bool = True
    """Whether a ReLU follows each head's linear map, as in equation 2."""
    candidates: Literal["farther", "farther-or-equal"]
    directions: Literal["speech-to-text", "both"]
    anchor_weights: Literal["equal", "inverse-density"] = "equal"
    """Of each anchor in Rank-N-Contrast: all alike, or one over the density of the labels around its own."""

    @property
    def seed_range(self) -> range:
        """The seeds that are trained."""
        return range(self.seed, self.seed + self.seeds)

    def of_method(self, name: str) -> Self:
        """With a method's own settings in place of these. Raises ValueError for a name that is none."""
        return type(self).model_validate(self.model_dump() | dict(method(name).overrides))

    @field_validator("methods")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            method(name)
        if len(set(names)) < len(names):
            raise ValueError(f"a method must be named once, found {', '.join(names)}")
        return names


class Evaluate(Section):
    """Stage evaluate: the paper's two tables and what goes beyond them."""

    split: str
    trials: Count
    pairs: Annotated[int, Field(ge=2)]
    """Speech-text pairs of a trial of Table 1."""
    seed: int
    alpha: Annotated[float, Field(gt=0, lt=1)]
    resamples: Count = 2000
    """Means that a bootstrap interval is made of."""
    probe_split: str = "development"
    """Whose embeddings the linear probes are fitted to."""
    radius: Positive = 0.25
    """How far a relevant item's valence and arousal may lie from a query's, on 1..7."""
    recall_at: Annotated[list[Count], Field(min_length=1)] = [1, 5, 10]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.probe_split == self.split:
            raise ValueError(f"split and probe_split must differ, found {self.split} for both")
        return self


class LlmRuntime(Section):
    """How a language model is asked. Its key is in OPENAI_API_KEY and nowhere else."""

    base_url: str | None = None
    """The endpoint; OPENAI_BASE_URL where it is None, and OpenAI's own where that is not set either."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    """Requests under way at once."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 6
    """Of a request that got no answer: busy, failing, or out of reach."""
    timeout_seconds: Positive = 120.0
    batch: bool = False
    """Ask by the batch API, which OpenAI answers within a day at a lower price."""
    poll_seconds: Positive = 30.0
    """Between two looks at a batch."""
    price_per_million_input_tokens: Annotated[float, Field(ge=0)] | None = None
    """What you pay, for the estimate alone."""
    price_per_million_output_tokens: Annotated[float, Field(ge=0)] | None = None

    @field_validator("base_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        return None if url is None else check_base_url(url, "base_url")


def check_base_url(url: str, name: str) -> str:
    """Raise ValueError unless it is an address of http or https with no name, password or query in it.

    The address is shown in messages, so that no secret may be in it; one that is refused is not shown.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        whole, parts = False, None
    if parts is not None and (parts.username or parts.password or parts.query or parts.fragment):
        raise ValueError(
            f"{name} must hold no name, password or query, found one: the key goes into OPENAI_API_KEY"
        )
    if not whole:
        raise ValueError(f"{name} must be an address such as http://localhost:8000/v1, found another thing")
    return url


class Runtime(Section):
    """How, not what: no stage depends on these."""

    device: str = "auto"
    workers: int | Literal["auto"] = "auto"
    """Threads that read audio and that solve trials: as many as there are cores, 8 at most."""
    batch_seconds: Positive = 320.0
    """Padded speech that goes through the encoder at once on a GPU; on a CPU every clip goes alone."""
    batch_tokens: Count = 8192
    """Padded tokens that go through the encoder at once on a GPU; on a CPU every sentence goes alone."""
    compile: bool = False
    """Have torch compile the speech encoder's norms and the gating of its position bias. Meant for a GPU."""
    memory_gb: Positive = 8.0
    """What training's features may take: a split that takes more than half of it is streamed from the shards."""
    cuda_graphs: bool = True
    """Replay a training step on a GPU as one graph."""
    store: str | None = None
    """The team's store of features, a shared folder; ERCLAP_STORE, where it is set, comes before it."""
    llm: LlmRuntime = LlmRuntime()

    @field_validator("workers", mode="before")
    @classmethod
    def _counted(cls, workers: object) -> object:
        if workers == "auto" or (type(workers) is int and workers >= 1):
            return workers
        raise ValueError(f"must be auto or a whole number from 1, found {workers!r}")

    @property
    def threads(self) -> int:
        """How many workers that is on this machine."""
        if self.workers != "auto":
            return self.workers
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(8, allowed)


class Params(Section):
    """The whole of params.yaml."""

    prepare: Prepare
    caption: Caption
    extract: Extract
    train: Train
    evaluate: Evaluate
    runtime: Runtime = Runtime()


def training_settings(params: Params, name: str) -> dict[str, object]:
    """The params that decide what heads come out of training by a method, apart from their seed."""
    return params.train.of_method(name).model_dump(exclude={"methods", "seed", "seeds"})


class UniqueKeys(yaml.SafeLoader):  # type: ignore[misc]
    """YAML that refuses a key written twice, of which it would otherwise take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.YAMLError(
                    f"key {key!r} is written twice, in line {node.value[i][0].start_mark.line + 1}"
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises ValueError with one line that names every key that is wrong."""
    try:
        written = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)  # noqa: S506 (it is a SafeLoader)
    except FileNotFoundError:
        raise ValueError(
            f"there must be a {path} in the folder that erclap runs in, found none in {Path.cwd()}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML: {' '.join(str(error).split())}") from error
    try:
        return Params.model_validate(written)
    except ValidationError as error:
        raise ValueError(f"{path}: {'; '.join(_explain(detail) for detail in error.errors())}") from error


def _explain(detail: Any) -> str:
    """One problem of pydantic's as: key, what must hold, what was found."""
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a key that exists"
    if detail["type"] == "value_error":  # one of our own validators, which says it all
        return f"{key}: {detail['msg'].removeprefix('Value error, ')}"
    message = detail["msg"].removeprefix("Input ")
    hint = ""
    if detail["type"] == "float_type" and _is_number(detail["input"]):
        hint = " (YAML takes it for a text: write it with a point and without an exponent, as 0.001)"
    return f"{key}: {message[0].lower()}{message[1:]}, found {detail['input']!r}{hint}"


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
