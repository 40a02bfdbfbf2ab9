"""What measuring a clip for the captions `paraclap` costs.

    OMP_NUM_THREADS=1 python benchmarks/acoustics.py [--clips 200] [--seconds 6] [--rounds 3]

The sample's synthetic speakers, sentences joined to clips of so many seconds, written as 16 kHz wav. CPU seconds
a clip, the lowest and the median of rounds taken in turns: our measures of waveforms in memory, the same with
the file read and hashed, and Praat's commands as a script calls them, each measure from the waveform anew. Then
seconds on the clock for all clips: on one thread and on two, which Praat does not let run side by side, and as
`erclap caption` does it, on one process, on two and with everything kept, the start of the processes included.
"""

from __future__ import annotations

import hashlib
import math
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from pathlib import Path

import click
import numpy as np
import parselmouth
import soundfile
from parselmouth.praat import call

from pipeline.audio import SAMPLING_RATE, Waveform, read_waveform, to_mono_16k
from pipeline.captions import measure_clips
from pipeline.captions.acoustics import Acoustics, measure
from pipeline.corpora import inspect
from pipeline.manifest import Utterance
from pipeline.sample import Espeak
from pipeline.sample.espeak import SAMPLING_RATE as ESPEAK_RATE

SENTENCES = (
    "Nobody had told me that the last train leaves before midnight.",
    "Put the letters on the table and close the window, please.",
    "It was the best day that we have had for a very long time.",
    "How can you say that after all the work that they have done?",
)


def speak(seconds: float) -> Iterator[Waveform]:
    """Clips of synthetic speech, each of another pitch and rate."""
    speaker, rng = Espeak(), np.random.default_rng(0)
    for _ in count():
        parts: list[Waveform] = []
        pitch, rate = int(rng.integers(10, 90)), int(rng.integers(120, 240))
        while sum(map(len, parts)) < seconds * SAMPLING_RATE:
            said = speaker.speak(str(rng.choice(SENTENCES)), pitch=pitch, rate=rate)
            parts.append(to_mono_16k(said, ESPEAK_RATE))
        yield np.concatenate(parts)[: round(seconds * SAMPLING_RATE)]


def sound_of(waveform: Waveform) -> parselmouth.Sound:
    sound = parselmouth.Sound(waveform.astype(np.float64), SAMPLING_RATE)
    call(sound, "Subtract mean")
    return sound


def pitch_of(sound: parselmouth.Sound) -> parselmouth.Pitch:
    return call(sound, "To Pitch (ac)", 0, 75, 15, "no", 0.03, 0.45, 0.01, 0.35, 0.14, 600)


def pulses_of(sound: parselmouth.Sound) -> parselmouth.Data:
    return call([sound, pitch_of(sound)], "To PointProcess (cc)")


def shimmer_of(waveform: Waveform) -> float:
    sound = sound_of(waveform)
    return float(call([sound, pulses_of(sound)], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6))


def articulation_rate_of(waveform: Waveform) -> float:
    """De Jong and Wempe's script, command by command, with its own settings of the pitch."""
    sound = sound_of(waveform)
    contour = call(sound, "To Intensity", 50, 0, "yes")
    loudest = call(contour, "Get quantile", 0, 0, 0.99)
    threshold = max(loudest - 25, call(contour, "Get minimum", 0, 0, "Parabolic"))
    below = -25 - (call(contour, "Get maximum", 0, 0, "Parabolic") - loudest)
    parts = call(contour, "To TextGrid (silences)", below, 0.3, 0.1, "silent", "sounding")
    curve = call(call(contour, "Down to Matrix"), "To Sound (slice)", 1)
    extrema = call(curve, "To PointProcess (extrema)", "Left", "yes", "no", "Sinc70")
    times = [
        call(extrema, "Get time from index", i + 1) for i in range(call(extrema, "Get number of points"))
    ]
    peaks = [t for t in times if call(curve, "Get value at time", 1, t, "Cubic") > threshold]
    pitch = call(sound, "To Pitch (ac)", 0.02, 30, 4, "no", 0.03, 0.25, 0.01, 0.35, 0.25, 450)
    nuclei = 0
    for peak, following in pairwise(peaks):
        dip = call(contour, "Get minimum", peak, following, "None")
        part = call(parts, "Get interval at time", 1, peak)
        nuclei += (
            abs(call(curve, "Get value at time", 1, peak, "Cubic") - dip) > 2
            and call(parts, "Get label of interval", 1, part) == "sounding"
            and not math.isnan(call(pitch, "Get value at time", peak, "Hertz", "linear"))
        )
    return nuclei / call(parts, "Get total duration of intervals where", 1, "is equal to", "sounding")


def measure_by_commands(waveform: Waveform) -> Acoustics:
    """Every measure by itself."""
    return Acoustics(
        pitch=call(pitch_of(sound_of(waveform)), "Get mean", 0, 0, "Hertz"),
        pitch_variation=call(pitch_of(sound_of(waveform)), "Get standard deviation", 0, 0, "semitones"),
        intensity=call(sound_of(waveform), "Get intensity (dB)"),
        jitter=call(pulses_of(sound_of(waveform)), "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        shimmer=shimmer_of(waveform),
        duration=call(sound_of(waveform), "Get total duration"),
        articulation_rate=articulation_rate_of(waveform),
    )


def cpu_seconds(work: Callable[[], object], clips: int) -> float:
    """CPU seconds a clip."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / clips


def on_threads(waveforms: list[Waveform], threads: int) -> float:
    """Seconds on the clock to measure all waveforms."""
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(measure, waveforms))
        return time.perf_counter() - started


def measure_all(folder: Path, files: list[Path], workers: int, memory: Path) -> float:
    """Seconds on the clock to measure all files, or to find them measured."""
    rows = [Utterance(file.name, file.name, "train", 4.0, 4.0) for file in files]
    manifest, _, _ = inspect(rows, folder)
    started = time.perf_counter()
    measure_clips(manifest, folder, 60.0, workers=workers, memory=memory, listing=folder / "unmeasured.csv")
    return time.perf_counter() - started


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--clips", default=200, show_default=True)
@click.option("--seconds", default=6.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(clips: int, seconds: float, rounds: int) -> None:
    warnings.simplefilter("ignore", parselmouth.PraatWarning)  # of the script, where a clip has no silence
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waveforms = [waveform for waveform, _ in zip(speak(seconds), range(clips), strict=False)]
        files = [folder / f"{i:04}.wav" for i in range(clips)]
        for file, waveform in zip(files, waveforms, strict=True):
            soundfile.write(file, waveform, SAMPLING_RATE)
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        ways: dict[str, Callable[[], object]] = {
            "ours": lambda: [measure(waveform) for waveform in waveforms],
            "ours, the file read and hashed": lambda: [
                measure(read_waveform(file, 60.0, sha256=sha256))
                for file, sha256 in zip(files, hashes, strict=True)
            ],
            "Praat's commands, each measure by itself": lambda: [measure_by_commands(w) for w in waveforms],
        }
        times: dict[str, list[float]] = {label: [] for label in ways}
        for number in range(rounds + 1):  # the first is not counted
            for label, work in ways.items():
                taken = cpu_seconds(work, clips)
                if number:
                    times[label].append(taken)
        ours = min(times["ours"])
        print(f"load {os.getloadavg()[0]:.1f}, {clips} clips of {seconds:g} s, {rounds} rounds\n")
        print("| | CPU s a clip, lowest / median | it / ours |\n| --- | --- | --- |")
        for label, values in times.items():
            lowest = min(values)
            print(f"| {label} | {lowest:.4f} / {statistics.median(values):.4f} | {lowest / ours:.2f} |")
        print("\n| all clips | s |\n| --- | --- |")
        for threads in (1, 2):
            print(f"| in memory, threads: {threads} | {on_threads(waveforms, threads):.2f} |")
        for label, workers, memory in (
            ("erclap caption, one process", 1, "one.parquet"),
            ("erclap caption, two processes", 2, "two.parquet"),
            ("erclap caption, everything kept", 2, "two.parquet"),
        ):
            print(f"| {label} | {measure_all(folder, files, workers, folder / memory):.2f} |")


if __name__ == "__main__":
    main()
