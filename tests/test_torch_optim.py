"""Every optimizer, schedule and way to clip that torch has, on hand-derived gradients as on autograd's.

From equal parameters, on equal batches, both engines go the same way. Rounding leaves an entry of a gradient right to
some 1e-16 of the largest, and here hardly one is less than 1e-5 of that; so that even an optimizer which divides each
entry by its own size, as Rprop and Adam do, makes of them steps that agree to some 1e-11. LBFGS, which divides by
differences of gradients as well, loses another digit. None may lose more than CLOSE allows.
"""

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from numerics import assert_close, generator, randomise
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer, lr_scheduler, swa_utils

from torchbasics.layers import BatchNorm2d, Linear, ReLU, Tanh
from torchbasics.layers.conv import Conv2d
from torchbasics.layers.pool import MaxPool2d
from torchbasics.layers.reshape import Flatten
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.models import Inputs, deep, rnn, transformer
from torchbasics.network import Network, is_weight
from torchbasics.notation import examples_first, examples_last
from torchbasics.optim import GradientDescent
from torchbasics.training.engines import ENGINES, Engine

STEPS = 5
CLOSE = 1e-9
"""Of the largest change of a parameter."""

m = 9


@dataclass(frozen=True)
class Kind:
    """A network, and what goes into it."""

    make: Callable[[], Network]
    shape: tuple[int, ...]
    """Of X."""
    n_y: int = 1
    tokens: int = 0
    flat: dict[str, slice] = field(default_factory=dict)
    """Parameters that J does not depend on. Either engine leaves rounding in their gradients, and an optimizer that
    divides by its size makes steps of it; here it is taken for the 0 that it stands for."""


KINDS = {
    "dense": Kind(lambda: deep([6, 5, 4, 1], Tanh), (6, m)),
    "convolution-and-batch-norm": Kind(
        lambda: Network(
            [Conv2d(2, 3, 3, padding=1), BatchNorm2d(3), ReLU(), MaxPool2d(2), Flatten(), Linear(12, 1)],
            SigmoidCrossEntropy(),
        ),
        (2, 4, 5, m),
        # What b adds to every number of a channel, batch norm takes away again.
        flat={"b1": slice(None)},
    ),
    "embedding-and-lstm": Kind(
        lambda: rnn(Inputs(n_x=1, steps=4, tokens=7), [5], n_y=7),
        (4, m),
        n_y=7,
        tokens=7,
    ),
    "attention-and-layer-norm": Kind(
        lambda: transformer(Inputs(n_x=3, steps=5), [4, 6], n_y=3, heads=2),
        (3, 5, m),
        n_y=3,
        # What the keys' bias adds to one score of a query, it adds to all of them, and softmax takes it away again.
        flat={"bqkv2": slice(4, 8)},
    ),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


class Pair:
    """A hand-derived network and its twin, equal at first, with batches for both."""

    def __init__(self, name: str) -> None:
        kind, g = KINDS[name], generator(2)
        network = kind.make().double()
        randomise(network, g)
        self.manual, self.torch = (engine(network, "gd", 0.1) for engine in ENGINES.values())
        self.names, *parameters = zip(*network.pairs(self.torch.module), strict=True)
        self.parameters = dict(zip((self.manual, self.torch), parameters, strict=True))
        self.start = [parameter.clone() for parameter in parameters[0]]
        self.flat = kind.flat
        self.batches = []
        for _ in range(STEPS):
            numbers = torch.randn(kind.shape, generator=g, dtype=torch.float64)
            tokens = torch.randint(0, max(1, kind.tokens), kind.shape, generator=g).double()
            # An answer for every token, or else for every example.
            labels = (1, *kind.shape[:-1], m) if kind.tokens else (1, m)
            Y = torch.randint(0, max(2, kind.n_y), labels, generator=g).double()
            self.batches.append((tokens if kind.tokens else numbers, Y))

    def gradients(self, engine: Engine, k: int) -> Tensor:
        """J of batch k, leaving its gradients."""
        J = engine.cost_and_gradients(*self.batches[k])
        for name, parameter in zip(self.names, self.parameters[engine], strict=True):
            if name in self.flat:
                rounding = parameter.grad[self.flat[name]]
                assert rounding.abs().max() < 1e-15
                rounding.zero_()
        return J

    def step(self, engine: Engine, k: int) -> Tensor:
        """One step on batch k; J before it."""
        if isinstance(engine.optimizer, torch.optim.LBFGS):
            return engine.optimizer.step(lambda: self.gradients(engine, k))
        J = self.gradients(engine, k)
        engine.optimizer.step()
        return J

    def optimize(self, make: Callable[[list[nn.Parameter]], Optimizer], of: Collection[str] | None = None) -> None:
        """Give either engine this optimizer, of these parameters or of all, and take a few steps."""
        for engine, parameters in self.parameters.items():
            named = zip(self.names, parameters, strict=True)
            engine.optimizer = make([parameter for name, parameter in named if of is None or name in of])
            for k in range(STEPS):
                self.step(engine, k)

    def assert_same(self, of: Collection[str] | None = None) -> None:
        """Both engines have changed these parameters, or all, and in the same way; and no others."""
        for name, start, ours, theirs in zip(self.names, self.start, *self.parameters.values(), strict=True):
            change, expected = ours - start, theirs.detach().reshape(start.shape) - start
            assert (change - expected).abs().max() <= CLOSE * expected.abs().max(), name
            if self.flat.get(name) != slice(None):
                assert (expected.abs().max() > 1e-4) == (of is None or name in of), name


def exported(module: Any, base: type) -> dict[str, Any]:
    """The public subclasses of `base` in a module of torch's."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base and not name.startswith("_")
    }


# Optimizers

OPTIMIZERS = exported(torch.optim, Optimizer)
EVERYWHERE = [name for name in OPTIMIZERS if name not in ("SparseAdam", "Muon")]
# Torch's own, unless they move a parameter too little to tell in so few steps. LBFGS's own are so long that it leaves
# every minimum behind, and arrives where rounding sends it.
SETTINGS: dict[str, dict[str, float]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "ASGD": {"lr": 0.1},
    "RAdam": {"lr": 0.1},
    "LBFGS": {"lr": 0.5, "max_iter": 4},
}


@every_kind
@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_optimizer(name: str, kind: str) -> None:
    pair = Pair(kind)
    pair.optimize(lambda parameters: OPTIMIZERS[name](parameters, **SETTINGS.get(name, {})))
    pair.assert_same()


has_muon = pytest.mark.skipif("Muon" not in OPTIMIZERS, reason="comes with torch 2.9")


@has_muon
@every_kind
def test_muon_on_the_weights_that_are_matrices(kind: str) -> None:
    pair = Pair(kind)
    matrices = [name for name, W in zip(pair.names, pair.start, strict=True) if is_weight(name) and W.ndim == 2]
    pair.optimize(torch.optim.Muon, of=matrices)
    pair.assert_same(of=matrices)


@has_muon
def test_muon_refuses_what_is_no_matrix() -> None:
    for parameters in Pair("convolution-and-batch-norm").parameters.values():
        with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
            torch.optim.Muon(parameters)


def test_sparse_adam_wants_sparse_gradients() -> None:
    # nn.Embedding(sparse=True) leaves such; dE is dense, as the twin's is, and `to_sparse` makes it one.
    pair = Pair("embedding-and-lstm")
    for engine, (E, *_) in pair.parameters.items():
        engine.optimizer = torch.optim.SparseAdam([E], lr=0.1)
        with pytest.raises(RuntimeError, match="does not support dense gradients"):
            pair.step(engine, 0)
        for k in range(STEPS):
            pair.gradients(engine, k)
            E.grad = E.grad.to_sparse()
            engine.optimizer.step()
            E.grad = None  # whose layout autograd would keep
    pair.assert_same(of=["E1"])


@every_kind
def test_each_group_of_parameters_by_its_own_settings(kind: str) -> None:
    # As most networks are trained: weights decay, and b, gamma, beta and embeddings do not.
    pair = Pair(kind)

    def groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
        decaying = [parameter for name, parameter in zip(pair.names, parameters, strict=True) if is_weight(name)]
        others = [parameter for name, parameter in zip(pair.names, parameters, strict=True) if not is_weight(name)]
        return [{"params": decaying, "weight_decay": 0.5, "lr": 0.01}, {"params": others, "weight_decay": 0.0}]

    pair.optimize(lambda parameters: torch.optim.AdamW(groups(parameters), lr=0.1))
    pair.assert_same()
    for engine, parameters in pair.parameters.items():
        before = [parameter.detach().clone() for parameter in parameters]
        engine.optimizer = torch.optim.AdamW(groups(list(parameters)), lr=0.1)
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        engine.optimizer.step()
        for name, old, new in zip(pair.names, before, parameters, strict=True):
            torch.testing.assert_close(new.detach(), old * (1 - 0.01 * 0.5 * is_weight(name)), msg=name)


@pytest.mark.parametrize("set_to_none", [True, False])
@every_kind
def test_zeroed_gradients_change_nothing(kind: str, set_to_none: bool) -> None:
    # A backward sweep assigns, where autograd adds up: what a gradient was before is nothing to it.
    found = []
    for zeroing in (False, True):
        pair = Pair(kind)
        pair.manual.optimizer = torch.optim.Adam(pair.manual.module.parameters(), lr=0.1)
        for k in range(STEPS):
            pair.step(pair.manual, k)
            if zeroing:
                pair.manual.optimizer.zero_grad(set_to_none)
                assert all((p.grad is None) if set_to_none else not p.grad.any() for p in pair.parameters[pair.manual])
        found.append([parameter.clone() for parameter in pair.parameters[pair.manual]])
    for plain, zeroed in zip(*found, strict=True):
        torch.testing.assert_close(zeroed, plain, rtol=0, atol=0)


@pytest.mark.parametrize("name", [*EVERYWHERE, "GradientDescent"])
def test_goes_on_from_what_it_has_saved(name: str) -> None:
    def make(parameters: tuple[nn.Parameter, ...]) -> Optimizer:
        if name == "GradientDescent":
            return GradientDescent(parameters, 0.1)
        return OPTIMIZERS[name](parameters, **SETTINGS.get(name, {}))

    whole, part = Pair("dense"), Pair("dense")
    for engine, again in zip(whole.parameters, part.parameters, strict=True):
        engine.optimizer = make(whole.parameters[engine])
        for k in range(STEPS):
            if k == 2:
                file = io.BytesIO()
                torch.save(engine.state(), file)
            whole.step(engine, k)
        file.seek(0)
        again.optimizer = make(part.parameters[again])
        again.restore(torch.load(file))
        for k in range(2, STEPS):
            part.step(again, k)
        for expected, found in zip(whole.parameters[engine], part.parameters[again], strict=True):
            # NAdam's product of momenta is in float32 until it has been loaded, and in float64 from then on.
            torch.testing.assert_close(found, expected, rtol=1e-7 if name == "NAdam" else 0, atol=0)


# Schedules

SCHEDULERS = exported(lr_scheduler, lr_scheduler.LRScheduler) | exported(swa_utils, lr_scheduler.LRScheduler)
EXAMPLES: dict[str, Callable[[Optimizer], lr_scheduler.LRScheduler]] = {
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (1 + k)),
    "MultiplicativeLR": lambda optimizer: lr_scheduler.MultiplicativeLR(optimizer, lambda k: 1 - 0.1 * k),
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=2),
    "MultiStepLR": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [1, 3]),
    "ConstantLR": lambda optimizer: lr_scheduler.ConstantLR(optimizer, total_iters=2),
    "LinearLR": lambda optimizer: lr_scheduler.LinearLR(optimizer),
    "ExponentialLR": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.7),
    "PolynomialLR": lambda optimizer: lr_scheduler.PolynomialLR(optimizer, total_iters=7, power=2),
    "CosineAnnealingLR": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=7),
    "CosineAnnealingWarmRestarts": lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3),
    "ReduceLROnPlateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5),
    # The momentum as well, where the optimizer has one.
    "CyclicLR": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.3, step_size_up=2, cycle_momentum=bool(optimizer.defaults.get("momentum"))
    ),
    "OneCycleLR": lambda optimizer: lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=STEPS + 1, cycle_momentum=bool(optimizer.defaults.get("momentum"))
    ),
    "SWALR": lambda optimizer: swa_utils.SWALR(optimizer, swa_lr=0.01, anneal_epochs=3),
    "SequentialLR": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, total_iters=2), lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)],
        milestones=[2],
    ),
    "ChainedScheduler": lambda optimizer: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)], optimizer
    ),
}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_schedule(name: str, momentum: float) -> None:
    # Without momentum, our own optimizer on our side.
    assert name in EXAMPLES, f"{name} is new in torch: give an example of it"
    pair = Pair("dense")
    settings = []
    for engine, parameters in pair.parameters.items():
        if engine is pair.manual and not momentum:
            engine.optimizer = GradientDescent(parameters, 0.1)
        else:
            engine.optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=momentum)
        schedule = EXAMPLES[name](engine.optimizer)
        assert type(schedule) is SCHEDULERS[name]
        settings.append([])
        for k in range(STEPS):
            (group,) = engine.optimizer.param_groups
            settings[-1].append((group["lr"], group.get("momentum", 0.0)))
            J = pair.step(engine, k)
            schedule.step(*[J] * (name == "ReduceLROnPlateau"))
    ours, torchs = settings
    assert ours == torchs
    assert len({rate for rate, _ in ours}) > 1
    pair.assert_same()


# Clipping and averages


@every_kind
def test_clipping_by_norm(kind: str) -> None:
    pair = Pair(kind)
    norms = []
    for engine, parameters in pair.parameters.items():
        pair.gradients(engine, 0)
        norms.append(clip_grad_norm_(parameters, 0.1))
        clipped = torch.cat([parameter.grad.flatten() for parameter in parameters])
        torch.testing.assert_close(clipped.norm(), torch.tensor(0.1, dtype=torch.float64), rtol=1e-4, atol=0)
    assert norms[1] > 0.11
    torch.testing.assert_close(norms[0], norms[1], rtol=1e-13, atol=0)
    assert_equal_gradients(pair)


@every_kind
def test_clipping_by_value(kind: str) -> None:
    pair = Pair(kind)
    for engine, parameters in pair.parameters.items():
        pair.gradients(engine, 0)
        assert max(parameter.grad.abs().max() for parameter in parameters) > 0.06
        clip_grad_value_(parameters, 0.05)
        assert max(parameter.grad.abs().max() for parameter in parameters) == 0.05
    assert_equal_gradients(pair)


def assert_equal_gradients(pair: Pair) -> None:
    for name, ours, theirs in zip(pair.names, *pair.parameters.values(), strict=True):
        assert_close(ours.grad, theirs.grad.reshape(ours.shape), name, ulps=512)


@every_kind
@pytest.mark.parametrize("multi_avg_fn", [None, swa_utils.get_ema_multi_avg_fn(0.8)], ids=["mean", "moving"])
def test_averages_of_the_parameters(kind: str, multi_avg_fn: Callable[..., None] | None) -> None:
    pair = Pair(kind)
    outputs = []
    for engine, parameters in pair.parameters.items():
        engine.optimizer = torch.optim.SGD(parameters, lr=0.5)
        average = swa_utils.AveragedModel(engine.module, multi_avg_fn=multi_avg_fn)
        for k in range(STEPS):
            pair.step(engine, k)
            average.update_parameters(engine.module)
        X, _ = pair.batches[0]
        with torch.no_grad():
            if engine is pair.manual:
                outputs.append(average.module.outputs(X))
            else:
                outputs.append(examples_last(average(examples_first(X))))
                assert (outputs[1] - examples_last(engine.module(examples_first(X)))).abs().max() > 1e-3
    assert_close(outputs[0], outputs[1], "Z[L]", ulps=4096)
