"""One step of training: similarities, loss, gradients, Adam, and the temperature's bounds.

Axes: S seeds, N utterances of a batch, M candidates, F feature size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.adam import adam

from pipeline.config import Train
from pipeline.training.criterion import Criterion
from pipeline.training.objectives import Targets
from pipeline.training.ranks import Features, Ranks
from pipeline.training.stacked import Compared, StackedHeads

WARM_UP_STEPS = 3
"""Before a step is captured: libraries choose and allocate what they need when they are first called."""

Step = Callable[[Features, Targets], None]
"""A batch's speech (S, N, F) and text (S, M, F), and its targets."""


class Adam:
    """torch's fused Adam by its function: the class of it imports torch's compiler, which takes a second."""

    def __init__(self, parameters: list[Tensor], learning_rate: float) -> None:
        self._parameters, self._learning_rate = parameters, learning_rate
        self._means, self._squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self._steps = [torch.zeros((), device=p.device) for p in parameters]

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One on the parameters that have a gradient."""
        states = zip(self._parameters, self._means, self._squares, self._steps, strict=True)
        learning = [(p, p.grad, *state) for p, *state in states if p.grad is not None]
        parameters, gradients, means, squares, steps = (list(each) for each in zip(*learning, strict=True))
        adam(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            capturable=parameters[0].is_cuda,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def forget(self) -> None:
        """Undo what steps left here, in place."""
        for tensor in (*self._means, *self._squares, *self._steps):
            tensor.zero_()


class Stepping:
    """Heads on their way: their optimiser, and the sum of the losses since it was last set to zero, (S,)."""

    def __init__(
        self, heads: StackedHeads, criterion: Criterion, settings: Train, ranks: Ranks | None = None
    ) -> None:
        self.heads, self.criterion, self.bounds = heads, criterion, settings.temperature_bounds
        self.ranks = ranks
        parameters = list(heads.parameters.values())
        device = parameters[0].device
        # Adam works number by number, so that a stack takes the steps that its seeds would take apart.
        self.optimiser = Adam(parameters, settings.learning_rate)
        self.losses = torch.zeros(len(heads), device=device)

    def compare(self, features: Features) -> Compared:
        """Features (S, N, F) and (S, M, F) of a batch, or (S, K, N, F) and (S, K, M, F) of several."""
        speech, text, _ = features
        if self.ranks is not None:
            return self.ranks.compare(self.heads, features, both_ways=self.criterion.both_ways)
        if speech.ndim == 3:
            return self.heads.compare(speech, text)
        return self.heads.compare(speech.flatten(1, 2), text.flatten(1, 2), speech.shape[1])

    def step(self, features: Features, targets: Targets) -> None:
        """One step on a batch; it waits for no device, but for other ranks."""
        losses = self.criterion.loss(self.compare(features), targets)
        self.optimiser.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if self.ranks is not None:
            self.ranks.sum_gradients(self.heads.parameters.values())
        self.optimiser.step()
        self.heads.bound_temperature(*self.bounds)
        self.losses += losses.detach()


class GraphedStep:
    """`Stepping.step` on a GPU as one CUDA graph, so that launching its kernels costs nothing.

    The graph is captured at the first batch, whose shapes all others must have.
    """

    def __init__(self, stepping: Stepping) -> None:
        self._stepping = stepping
        self._graph = torch.cuda.CUDAGraph()
        self._inputs: list[Tensor] = []

    def __call__(self, features: Features, targets: Targets) -> None:
        batch = [features.speech, features.text, *targets]
        if not self._inputs:
            self._capture([tensor.clone() for tensor in batch])
        for held, tensor in zip(self._inputs, batch, strict=True):
            held.copy_(tensor)
        self._graph.replay()

    def _capture(self, batch: list[Tensor]) -> None:
        speech, text, *targets = self._inputs = batch
        stepping = self._stepping
        before = stepping.heads.copy_weights()
        beside = torch.cuda.Stream(speech.device)  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream(speech.device))
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP_STEPS):
                stepping.step(Features(speech, text), tuple(targets))
        torch.cuda.current_stream(speech.device).wait_stream(beside)
        stepping.optimiser.zero_grad()  # so that the gradients lie in the graph's own memory
        with torch.cuda.graph(self._graph):
            stepping.step(Features(speech, text), tuple(targets))
        self._take_back(before)

    @torch.no_grad()
    def _take_back(self, weights: dict[str, Tensor]) -> None:
        """Undo the steps of the warm-up where the graph will find it: in place."""
        stepping = self._stepping
        for name, tensor in stepping.heads.parameters.items():
            tensor.copy_(weights[name])
        stepping.optimiser.forget()
        stepping.losses.zero_()
