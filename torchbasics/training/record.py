"""What a run shows, and when: every step what is cheap, at intervals what is not.

In the runs manual and torch:

| tag | when |
|---|---|
| cost | every step (every k-th beyond 5,000) |
| gradient_norm/layer_l | fifty times a run |
| accuracy/train, accuracy/test | fifty times a run, or as often as costs about 3 % of it |
| weights/Wl, weights/bl, gradients/dWl, gradients/dbl | histograms, ten times a run |
| first_layer | W1 as pictures, ten times a run |
| the network's graph, with one step on two examples | at the beginning |
| mistakes, pr_curve, result/cost, result/train_accuracy, result/test_accuracy | at the end |

The first of them has the layout of the Custom Scalars tab, too (`torchbasics.training.layout`).

In the run difference, with both engines:

| tag | when |
|---|---|
| difference/log10_cost | as cost: log10 abs(J_manual - J_torch), -20 where the two are equal to the last bit |
| difference/largest_dW | as cost: the largest difference between the engines' dW and db |
| difference/largest_dW_minus_autograd | fifty times a run: dW, db by hand and by autograd *at the same parameters* |

In float32 the engines' parameters part, and with them their gradients; the last one is free of that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import summary

from torchbasics.board import Board
from torchbasics.data.base import Data
from torchbasics.graph.board import graph_def
from torchbasics.graph.of_network import drawing_in_use
from torchbasics.network import Network
from torchbasics.notation import examples_first
from torchbasics.training import hparams, pictures
from torchbasics.training.engines import Engine, likeliest
from torchbasics.training.layout import layout
from torchbasics.training.log import Log, Step

# Examples in the network's graph, one step of which is at the first parameters.
SHOWN = 2
# log10 |J - J| of costs that are equal to the last bit, which has no logarithm.
EQUAL = -20.0
MOST_POINTS = 5000
LARGEST_SHOWN = 1e12


@dataclass
class AutogradChecks:
    """How often the hand-derived dW and db were held against autograd's at the same parameters, and the worst of it."""

    largest: float = 0.0
    count: int = 0


class Diverged(ArithmeticError):
    """A cost became NaN or infinite."""

    def __init__(self, iteration: int, engine: str, cost: float) -> None:
        super().__init__(f"the cost became {cost} at iteration {iteration} ({engine})")
        self.iteration = iteration


class Recorder:
    """Watches the loop, and writes the run's log and its TensorBoard events. Costs wait on the device, 64 at a time."""

    def __init__(
        self,
        folder: Path,
        engines: Sequence[Engine],
        network: Network,
        data: Data,
        iterations: range,
        batch_size: int,
        progress: Callable[[Step], None],
        checks: AutogradChecks,
    ) -> None:
        self.folder, self.engines, self.network, self.data, self.progress = folder, engines, network, data, progress
        start = iterations.start
        for engine in engines:
            hparams.remove(folder / engine.name)
        self.log = Log(folder, [engine.name for engine in engines], start)
        self.boards = {engine.name: Board(folder / engine.name, start) for engine in engines}
        self.boards[engines[0].name].add(start, layout(both=len(engines) == 2))
        if start == 0:
            drawn = graph_def(drawing_in_use(network, data.train.X[..., :SHOWN], data.train.Y[..., :SHOWN]))
            for board in self.boards.values():
                board.graph(drawn)
        self.checks = checks
        self.pairs: list[tuple[torch.nn.Parameter, torch.nn.Parameter]] = []
        if len(engines) == 2:
            self.difference = Board(folder / "difference", start)
            twin = engines[1].module
            assert isinstance(twin, torch.nn.Sequential)
            self.pairs = [(ours, theirs) for _, ours, theirs in network.pairs(twin)]
        self.thin = math.ceil(iterations.stop / MOST_POINTS)
        self.last = iterations.stop - 1
        self.every = max(1, iterations.stop // 50)
        self.seldom = max(1, iterations.stop // 10)
        # An evaluation of both sets costs a third of a step per example: keep it to about 3 % of the run.
        examples = data.train.m + data.test.m
        self.evaluate = max(self.every, math.ceil(examples / (0.1 * batch_size)))
        self._waiting: list[tuple[int, Tensor]] = []

    def step(self, i: int, costs: list[Tensor], X: Tensor, Y: Tensor) -> None:
        """Look at iteration i between its gradients and its update. Raises `Diverged`."""
        values = list(costs)
        if self.pairs:
            values.append(largest_difference([(a.grad, b.grad) for a, b in self.pairs]))
        self._waiting.append((i, torch.stack(values)))
        if len(self._waiting) == 64:
            self.drain()
        if i % self.every == 0 or i == self.last:
            self.gradient_norms(i)
            if self.pairs:
                self._against_autograd(i, X, Y)
        if i % self.evaluate == 0:
            self.accuracies(i)
        if i % self.seldom == 0:
            self.weights(i)

    def drain(self) -> None:
        """Write what waits. Raises `Diverged` at the first cost that is no number, which is still written."""
        if not self._waiting:
            return
        rows = torch.stack([values for _, values in self._waiting]).tolist()
        iterations = [i for i, _ in self._waiting]
        self._waiting.clear()
        for i, row in zip(iterations, rows, strict=True):
            costs = tuple(row[: len(self.engines)])
            step = Step(i, costs, row[-1] if self.pairs else None)
            self.log.add(step)
            if i % self.thin == 0:
                self._curves(step)
            for engine, cost in zip(self.engines, costs, strict=True):
                if not math.isfinite(cost):
                    self.flush()
                    raise Diverged(i, engine.name, cost)
        self.progress(step)
        self.flush()

    def require_finite(self, done: int) -> None:
        """Raise `Diverged` if the last update has lost the cost of the training set, which no row shows yet."""
        for engine in self.engines:
            J, _ = engine.cost_and_predictions(self.data.train.X, self.data.train.Y)
            if not math.isfinite(J.item()):
                raise Diverged(done, engine.name, J.item())

    def _curves(self, step: Step) -> None:
        for engine, cost in zip(self.engines, step.costs, strict=True):
            self.boards[engine.name].scalars(step.iteration, {"cost": cost})
        if step.gap is not None and step.finite:
            difference = step.cost_difference
            log10_cost = math.log10(difference) if difference else EQUAL
            self.difference.scalars(
                step.iteration, {"difference/log10_cost": log10_cost, "difference/largest_dW": step.gap}
            )

    def accuracies(self, i: int) -> None:
        """On the training and on the test set."""
        for engine in self.engines:
            values = {}
            for name, split in (("train", self.data.train), ("test", self.data.test)):
                _, A = engine.cost_and_predictions(split.X, split.Y)
                values[f"accuracy/{name}"] = accuracy(A, split.Y)
            self.boards[engine.name].scalars(i, values)

    def gradient_norms(self, i: int) -> None:
        """The norm of each layer's dW and db together."""
        for engine in self.engines:
            values = {}
            for layer, gradients in self._layers(engine).items():
                norm = torch.nn.utils.get_total_norm([gradient for _, _, gradient in gradients])
                values[f"gradient_norm/layer_{layer}"] = norm.item()
            self.boards[engine.name].scalars(i, values)

    def weights(self, i: int) -> None:
        """Histograms of W and dW, and the first layer as pictures."""
        for engine in self.engines:
            board = self.boards[engine.name]
            for layer, parameters in self._layers(engine).items():
                for name, values, gradient in parameters:
                    for tag, shown in ((f"weights/{name}", values), (f"gradients/d{name}", gradient)):
                        # Not of a run about to diverge: beyond float32 a histogram's sum of squares overflows, and
                        # 64 bins need values that differ by more than rounding.
                        if shown.float().isfinite().all() and shown.abs().max() < LARGEST_SHOWN:
                            board.add(i, summary.histogram(f"{tag}{layer}", shown, bins=64))
            W1, image = self._layers(engine)["1"][0][1], self.data.image
            # One picture per unit that sees the whole picture and nothing else, or per window of a convolution.
            if image is not None and W1.shape[1:2] in ((image.n_x,), (image.channels,)) and W1.isfinite().all():
                board.add(i, summary.image("first_layer", pictures.weight_images(W1, image), dataformats="CHW"))

    def finish(self, i: int, hyperparameters: dict[str, Any]) -> dict[str, dict[str, float]]:
        """Everything that is shown at the end; return cost and accuracies by engine."""
        self.drain()
        self.accuracies(i)
        self.weights(i)
        results = {}
        for engine in self.engines:
            board = self.boards[engine.name]
            J, A_train = engine.cost_and_predictions(self.data.train.X, self.data.train.Y)
            _, A_test = engine.cost_and_predictions(self.data.test.X, self.data.test.Y)
            result = {
                "cost": J.item(),
                "train_accuracy": accuracy(A_train, self.data.train.Y),
                "test_accuracy": accuracy(A_test, self.data.test.Y),
            }
            results[engine.name] = result
            if self.data.n_y == 1:
                labels, probabilities = self.data.test.Y.flatten().cpu(), A_test.flatten().cpu()
                board.add(i, summary.pr_curve("pr_curve", labels.bool().numpy(), probabilities.numpy()))
            if self.data.image is not None:
                figure = pictures.mistakes(self.data, A_test)
                if figure is not None:
                    board.add(i, summary.image("mistakes", pictures.pixels(figure), dataformats="HWC"))
            board.scalars(i, {f"result/{name}": value for name, value in result.items()})
            hparams.write(self.folder / engine.name, i, {**hyperparameters, "engine": engine.name})
        self.flush()
        return results

    def fail(self, i: int, hyperparameters: dict[str, Any]) -> None:
        """What is shown of a run that diverged: its hyperparameters, without a result."""
        for engine in self.engines:
            hparams.write(self.folder / engine.name, i, {**hyperparameters, "engine": engine.name}, failed=True)

    def flush(self) -> None:
        """Let everything written so far be read, and survive a kill."""
        self.log.flush()
        for board in self._all_boards():
            board.flush()

    def close(self) -> None:
        """Close every file."""
        self.log.close()
        for board in self._all_boards():
            board.close()

    def _all_boards(self) -> list[Board]:
        return [*self.boards.values(), *([self.difference] if self.pairs else [])]

    def _against_autograd(self, i: int, X: Tensor, Y: Tensor) -> None:
        """Differentiate a fresh twin at the manual engine's own parameters, on the same batch."""
        twin = self.network.twin()
        self.network.twin_cost(twin)(twin(examples_first(X)), examples_first(Y)).backward()
        largest = largest_difference([(ours.grad, theirs.grad) for _, ours, theirs in self.network.pairs(twin)]).item()
        self.difference.scalars(i, {"difference/largest_dW_minus_autograd": largest})
        self.checks.largest = max(self.checks.largest, largest)
        self.checks.count += 1

    def _layers(self, engine: Engine) -> dict[str, list[tuple[str, Tensor, Tensor]]]:
        """Layer l -> [(W, values, gradient), (b, values, gradient)], by the notes' names on either engine."""
        if engine.module is self.network:
            named = list(self.network.notes_parameters())
        else:
            assert isinstance(engine.module, torch.nn.Sequential)
            named = [(name, theirs) for name, _, theirs in self.network.pairs(engine.module)]
        layers: dict[str, list[tuple[str, Tensor, Tensor]]] = {}
        for name, parameter in named:
            assert parameter.grad is not None
            own_name = name.rstrip("0123456789")
            layers.setdefault(name.removeprefix(own_name), []).append((own_name, parameter.detach(), parameter.grad))
        return layers


def accuracy(A: Tensor, Y: Tensor) -> float:
    """The fraction of labels, of which a text has T for each example, that were thought the likeliest."""
    return (likeliest(A) == Y).sum().item() / Y.numel()


def largest_difference(pairs: Sequence[tuple[Tensor | None, Tensor | None]]) -> Tensor:
    """The largest |a - b| over all entries of all pairs, each the same numbers in the same order."""
    differences = []
    for a, b in pairs:
        assert a is not None
        assert b is not None
        # In place, and not by torch's infinity norm, which takes five times as long.
        differences.append((a - b.view_as(a)).abs_().max())
    return torch.stack(differences).max()
