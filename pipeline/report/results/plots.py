"""What a person looks at: both modalities' embeddings in two dimensions, tau by method, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.measures import Embedded
from pipeline.methods import METHODS
from pipeline.support import replacing

Values = npt.NDArray[np.float64]

TITLE_AT = 1.0
"""Of an axes' height. To have matplotlib find the places of titles and panels takes as long as to draw."""


def plot_embeddings(embedded: Embedded, labels: npt.NDArray[np.float64], title: str, path: Path) -> None:
    """Draw speech and caption embeddings of the same clips in one plane, coloured by valence and by arousal.

    `labels` (N, 2) are valence and arousal. The plane is that of the two first principal components of both
    modalities together; the share of the variance that it keeps is written on the axes.
    """
    both = np.concatenate([embedded.speech, embedded.text]).astype(np.float64)
    plane, shares = principal_plane(both)
    speech, text = plane[: len(labels)], plane[len(labels) :]
    figure = Figure(figsize=(11, 5.4))
    figure.suptitle(title)
    places = {"left": 0.08, "right": 0.92, "bottom": 0.09, "top": 0.89, "wspace": 0.18}
    panels = figure.subplots(1, 2, gridspec_kw=places)
    for column, (axes, attribute) in enumerate(zip(panels, ("valence", "arousal"), strict=True)):
        for points, marker, modality in ((text, "^", "captions"), (speech, "o", "speech")):
            drawn = axes.scatter(
                points[:, 0],
                points[:, 1],
                c=labels[:, column],
                marker=marker,
                s=16,
                alpha=0.75,
                linewidths=0,
                cmap="viridis",
                vmin=LABEL_MIN,
                vmax=LABEL_MAX,
            )
            # Shapes tell the modalities apart, colours the labels.
            axes.scatter([], [], c="grey", marker=marker, s=16, label=modality)
        axes.ticklabel_format(axis="y", scilimits=(-2, 3))  # six characters at most
        axes.set_title(f"coloured by {attribute}", y=TITLE_AT)
        axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
        axes.set_ylabel(f"second ({shares[1]:.0%})")
        axes.legend(loc="upper right")
    # One for both panels, whose colours mean the same numbers.
    figure.colorbar(drawn, cax=figure.add_axes((0.935, 0.09, 0.015, 0.8)), label="valence, arousal")
    _save(figure, path)


def principal_plane(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Points (N, E) in the plane of their two first principal components, (N, 2), and the shares of variance.

    Signs are fixed, so that the same points give the same picture.
    """
    centred = points - points.mean(axis=0)
    # Of the scatter matrix: the singular values of all points would take ten times as long.
    variances, directions = np.linalg.eigh(centred.T @ centred)
    variances, first = np.clip(variances[::-1], 0, None), directions.T[::-1][:2]
    first = first * np.sign(first[np.arange(len(first)), np.abs(first).argmax(axis=1)])[:, None]
    shares = variances[:2] / max(variances.sum(), np.finfo(float).tiny)
    return centred @ first.T, (float(shares[0]), float(shares[1]))


def plot_tau(values: Mapping[str, Mapping[str, Values]], title: str, path: Path) -> None:
    """Draw Kendall's tau by title: a box over the lists for arousal and for valence, the mean as a dot."""
    names = list(values)
    height = 1.2 + 0.75 * len(names)
    figure = Figure(figsize=(9, height))
    left = (0.3 + 0.083 * max(map(len, names))) / 9  # inches of the longest name
    places = {"left": left, "right": 0.985, "bottom": 0.55 / height, "top": 1 - 0.35 / height}
    axes: Axes = figure.subplots(gridspec_kw=places)
    for offset, test, colour in ((-0.18, "aoc", "tab:orange"), (0.18, "voc", "tab:blue")):
        axes.boxplot(
            [values[name][test] for name in names],
            positions=[i + offset for i in range(len(names))],
            widths=0.3,
            orientation="horizontal",
            showmeans=True,
            meanprops={
                "marker": "o",
                "markerfacecolor": "black",
                "markeredgecolor": "black",
                "markersize": 4,
            },
            medianprops={"color": "black"},
            flierprops={"marker": ".", "markersize": 3},
            boxprops={"facecolor": colour, "alpha": 0.5},
            patch_artist=True,
        )
        axes.plot([], [], color=colour, linewidth=8, alpha=0.5, label=test.upper())
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel("Kendall's τ over lists (dot: mean)")
    axes.set_title(title, y=TITLE_AT)
    axes.legend(loc="lower left")
    _save(figure, path)


def plot_training(histories: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw each method's training and validation loss by epoch, with the epoch that was kept marked.

    The losses of different methods are different functions: compare shapes, not heights.
    """
    count = max(len(histories), 1)
    width = 4.2 * count
    figure = Figure(figsize=(width, 3.6))
    places = {"left": 0.6 / width, "right": 1 - 0.1 / width, "bottom": 0.14, "top": 0.91, "wspace": 0.22}
    panels = figure.subplots(1, count, squeeze=False, gridspec_kw=places)[0]
    for axes, (name, history) in zip(panels, histories.items(), strict=False):
        epochs = [epoch["epoch"] for epoch in history]
        for key, label in (("train_loss", "training"), ("validation_loss", "validation")):
            axes.plot(epochs, [epoch[key] for epoch in history], label=label)
        best = min(history, key=lambda epoch: epoch["validation_loss"])
        axes.axvline(best["epoch"], color="grey", linestyle=":", label="kept")
        axes.set_title(METHODS[name].title, y=TITLE_AT)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.legend(loc="upper right")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        # Without a date or a version in it, the same figures give the same file. Figure.savefig would draw twice.
        figure.set_dpi(120)
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})  # type: ignore[no-untyped-call]
