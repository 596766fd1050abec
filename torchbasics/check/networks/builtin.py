"""Everything that this package derives by hand, against every reference: `torchbasics check` without a file."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from torchbasics.check.networks.chapter_one import check_chapter_one
from torchbasics.check.networks.finite import finite_reference, is_exact
from torchbasics.check.networks.layer import CLOSE, check_layer, check_loss
from torchbasics.check.networks.network import check_network
from torchbasics.check.networks.rounding import unit
from torchbasics.check.report import Quantity, Report
from torchbasics.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    RNN,
    BatchNorm1d,
    BatchNorm2d,
    Chain,
    Concatenate,
    Dropout,
    Embedding,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LinearOverTime,
    LogSoftmax,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    Residual,
    RMSNorm,
    ScaledDotProductAttention,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    Tanh,
)
from torchbasics.layers.conv import Conv1d, Conv2d, ConvTranspose2d
from torchbasics.layers.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from torchbasics.layers.reshape import Flatten, Images, Last, MeanOverTime, Rows
from torchbasics.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
)
from torchbasics.models import Inputs, cnn, deep, hybrid, logistic, rnn, shallow, transformer
from torchbasics.network import Network

DTYPES = torch.float64, torch.float32


@dataclass(frozen=True)
class Example:
    """How to make a layer, and the shape of an A_prev for it: pairwise-distinct sizes."""

    make: Callable[[], Layer]
    shape: tuple[int, ...]
    vocabulary: int = 0
    """How many tokens there are, for a layer that takes tokens."""


LAYERS: dict[type[Layer], Example] = {
    Linear: Example(lambda: Linear(5, 3), (5, 7)),
    LinearOverTime: Example(lambda: LinearOverTime(5, 3), (5, 4, 7)),
    BatchNorm1d: Example(lambda: BatchNorm1d(4), (4, 7)),
    BatchNorm2d: Example(lambda: BatchNorm2d(2), (2, 3, 4, 7)),
    LayerNorm: Example(lambda: LayerNorm(5), (5, 3, 7)),
    RMSNorm: Example(lambda: RMSNorm(5), (5, 3, 7)),
    GroupNorm: Example(lambda: GroupNorm(2, 6), (6, 3, 4, 7)),
    Dropout: Example(lambda: Dropout(0.7, seed=1), (4, 7)),
    Embedding: Example(lambda: Embedding(11, 3), (4, 7), vocabulary=11),
    RNN: Example(lambda: RNN(5, 3, num_layers=2), (5, 4, 7)),
    GRU: Example(lambda: GRU(5, 3, bidirectional=True), (5, 4, 7)),
    LSTM: Example(lambda: LSTM(5, 3), (5, 4, 7)),
    Sigmoid: Example(Sigmoid, (4, 7)),
    Tanh: Example(Tanh, (4, 7)),
    ReLU: Example(ReLU, (4, 7)),
    LeakyReLU: Example(lambda: LeakyReLU(0.3), (4, 7)),
    Conv1d: Example(lambda: Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (4, 8, 7)),
    Conv2d: Example(lambda: Conv2d(2, 3, (3, 2), stride=(1, 2), padding=(2, 1)), (2, 5, 6, 7)),
    ConvTranspose2d: Example(
        lambda: ConvTranspose2d(2, 3, (3, 2), stride=2, padding=(0, 1), output_padding=1), (2, 3, 4, 7)
    ),
    MaxPool2d: Example(lambda: MaxPool2d(3, 2, 1), (2, 5, 6, 7)),
    AvgPool2d: Example(lambda: AvgPool2d(3, 2, 1, ceil_mode=True), (2, 5, 6, 7)),
    AdaptiveAvgPool2d: Example(lambda: AdaptiveAvgPool2d(2, 3), (4, 5, 6, 7)),
    Flatten: Example(Flatten, (2, 3, 4, 7)),
    Images: Example(lambda: Images(4, 3, 2), (24, 7)),
    Rows: Example(lambda: Rows(4, 3, 2), (24, 7)),
    Last: Example(Last, (3, 4, 7)),
    MeanOverTime: Example(MeanOverTime, (3, 4, 7)),
    ELU: Example(lambda: ELU(0.3), (4, 7)),
    GELU: Example(GELU, (4, 7)),
    SiLU: Example(SiLU, (4, 7)),
    Softplus: Example(Softplus, (4, 7)),
    Softmax: Example(Softmax, (4, 3, 7)),
    LogSoftmax: Example(LogSoftmax, (4, 3, 7)),
    Chain: Example(lambda: Chain([Linear(5, 4), Tanh(), Linear(4, 3)]), (5, 7)),
    Residual: Example(lambda: Residual([Linear(5, 4), Tanh(), Linear(4, 5)]), (5, 7)),
    Concatenate: Example(lambda: Concatenate([[Slice(0, 3), Linear(3, 4), Tanh()], [Slice(2, 5)], []]), (5, 7)),
    Slice: Example(lambda: Slice(1, 3), (5, 4, 7)),
    ScaledDotProductAttention: Example(lambda: ScaledDotProductAttention(2, causal=True), (12, 5, 7)),
    MultiHeadAttention: Example(lambda: MultiHeadAttention(6, 2), (6, 5, 7)),
    PositionalEncoding: Example(lambda: PositionalEncoding(5), (5, 4, 7)),
}


def _binary(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=g).double()


def _numbers(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def _classes(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    """The number of its class for every column, the last of them to be ignored."""
    Y = torch.randint(0, shape[0], (1, *shape[1:]), generator=g).double()
    Y[..., -1] = -100
    return Y


def _probabilities(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.softmax(_numbers(shape, g), dim=0)


@dataclass(frozen=True)
class LossExample:
    """How to make a loss, what it takes from normal numbers, and labels in float64 for predictions of a shape."""

    make: Callable[[], Loss]
    predictions: Callable[[Tensor], Tensor] = lambda Z: Z
    labels: Callable[[tuple[int, ...], torch.Generator], Tensor] = _binary


LOSSES: dict[type[Loss], LossExample] = {
    SquaredError: LossExample(SquaredError),
    BinaryCrossEntropy: LossExample(BinaryCrossEntropy, torch.sigmoid),
    SigmoidCrossEntropy: LossExample(SigmoidCrossEntropy),
    Hinge: LossExample(Hinge),
    Huber: LossExample(lambda: Huber(0.5), labels=_numbers),
    SoftmaxCrossEntropy: LossExample(lambda: SoftmaxCrossEntropy(label_smoothing=0.1), labels=_classes),
    KLDivergence: LossExample(KLDivergence, lambda Z: torch.log_softmax(Z, dim=0), _probabilities),
}


@dataclass(frozen=True)
class NetworkExample:
    """How to make a network with one output, and the shape of an X for it: pairwise-distinct sizes."""

    make: Callable[[], Network]
    shape: tuple[int, ...]


NETWORKS: dict[str, NetworkExample] = {
    "logistic": NetworkExample(lambda: logistic(5), (5, 11)),
    "shallow": NetworkExample(lambda: shallow(5, 4), (5, 11)),
    "deep": NetworkExample(lambda: deep([6, 5, 4, 3, 1]), (6, 11)),
    "cnn": NetworkExample(lambda: cnn(Inputs(60, image=(5, 4, 3)), [2, 7], keep_prob=0.7, seed=1), (60, 11)),
    "rnn": NetworkExample(lambda: rnn(Inputs(3, steps=4), [5]), (3, 4, 11)),
    "hybrid": NetworkExample(lambda: hybrid(Inputs(65, image=(5, 4, 3), structured=5), [2, 7]), (65, 11)),
    "transformer": NetworkExample(lambda: transformer(Inputs(3, steps=5), [4, 7], heads=2), (3, 5, 11)),
}
"""Networks of the notes' kinds, by their names in `torchbasics.models`."""


def check_builtin() -> list[Report]:
    """A report each on every layer, every loss, a network of each kind, and every form of chapter 1.

    In float64 and float32; a quantity shows the dtype that did worse. A layer or a loss without a row in the tables
    above has a failing report, so that a new one cannot be forgotten.
    """
    reports = [_layer(kind) for kind in concrete(Layer, "torchbasics.layers")]
    reports += [_loss(kind) for kind in concrete(Loss, "torchbasics.losses")]
    reports += [_network(name, example) for name, example in NETWORKS.items()]
    return [*reports, *check_chapter_one()]


def concrete(base: type, package: str) -> list[type]:
    """Every public subclass that the package's modules define and that can be made, in the order of their names."""
    top = importlib.import_module(package)
    names = [package, *(f"{package}.{module.name}" for module in pkgutil.iter_modules(getattr(top, "__path__", [])))]
    found = {
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__.startswith(package)
    }
    usable = (kind for kind in found if not inspect.isabstract(kind) and not kind.__name__.startswith("_"))
    return sorted(usable, key=lambda kind: kind.__name__)


def _layer(kind: type[Layer]) -> Report:
    file = f"layers.{kind.__name__}"
    example = LAYERS.get(kind)
    if example is None:
        return _missing(file, "LAYERS")

    def check(dtype: torch.dtype) -> Report:
        g = torch.Generator().manual_seed(1)
        layer = example.make().to(dtype)
        _randomise(layer, g)
        A_prev = torch.randn(example.shape, generator=g, dtype=dtype)
        if layer.takes_tokens:
            A_prev = torch.randint(0, example.vocabulary, example.shape, generator=g).to(dtype)
        return check_layer(layer, A_prev)

    return _worse(file, check)


def _loss(kind: type[Loss]) -> Report:
    file = f"losses.{kind.__name__}"
    if kind not in LOSSES:
        return _missing(file, "LOSSES")
    example = LOSSES[kind]

    def check(dtype: torch.dtype) -> Report:
        g = torch.Generator().manual_seed(2)
        A = example.predictions(torch.randn(3, 7, generator=g, dtype=dtype))
        return check_loss(example.make(), A, example.labels((3, 7), g).to(dtype))

    return _worse(file, check)


def _network(name: str, example: NetworkExample) -> Report:
    def check(dtype: torch.dtype) -> Report:
        g = torch.Generator().manual_seed(3)
        network = example.make().to(dtype)
        _randomise(network, g)
        X = torch.randn(example.shape, generator=g, dtype=dtype)
        Y = torch.randint(0, 2, (1, example.shape[-1]), generator=g).to(dtype)
        report = check_network(network, X, Y)
        network.quantities(X, Y)
        step = "complex step" if is_exact(network) else "central differences"
        return _against_finite(report, network, finite_reference(network, X, Y), step)

    return _worse(f"models.{name}", check)


def _against_finite(report: Report, network: Network, right: dict[str, Tensor], step: str) -> Report:
    """Hold the final gradients against differences of J too: the whole way down, to what rounding may have become."""
    # A central difference with h = 1e-5 is right to some 1e-10 of J, which is larger than its gradients here.
    least = CLOSE if step == "central differences" else 0.0
    quantities = {quantity.name: quantity for quantity in report.quantities}
    for name, parameter in network.notes_parameters():
        quantity, gradient, reference = quantities[f"d{name}"], parameter.grad, right[f"d{name}"]
        assert gradient is not None
        if quantity.worst_index is not None:
            quantity.difference_quotient = reference[quantity.worst_index].item()
        off = (gradient.double() - reference).abs()
        if (
            quantity.verdict == "right"
            and not off.max() <= max(1e4 * unit(gradient.dtype), least) * reference.abs().max()
        ):
            index = tuple(int(i) for i in (off == off.max()).nonzero()[0])
            quantity.verdict, quantity.reference_kind, quantity.worst_index = "wrong", step, index
            quantity.yours, quantity.reference = gradient[index].item(), reference[index].item()
            quantity.note = f"equal to autograd of the twin, but not to {step}"
            report.verdict = "wrong"
    report.reason = f"equal to torch.nn, autograd and {step}" if report else report.reason
    return report


def _worse(file: str, check: Callable[[torch.dtype], Report]) -> Report:
    """One report of the two dtypes' reports, each quantity from where it did worse."""
    wide, narrow = (check(dtype) for dtype in DTYPES)
    report = wide if not wide or narrow else narrow
    report.file = file
    report.quantities = list(_merged(wide.quantities, narrow.quantities))
    return report


def _merged(wide: list[Quantity], narrow: list[Quantity]) -> Iterator[Quantity]:
    by_name = {quantity.name: quantity for quantity in narrow}
    for quantity in wide:
        other = by_name.pop(quantity.name, quantity)
        yield max(quantity, other, key=lambda one: (one.verdict == "wrong", one.rounding_units))
    yield from by_name.values()


def _missing(file: str, table: str) -> Report:
    return Report(file, "wrong", f"not checked: torchbasics/check/builtin.py has no row for it in {table}; add one")


def _randomise(module: torch.nn.Module, g: torch.Generator) -> None:
    """Normal numbers in every parameter, biases included, of a size that keeps Z to a few units."""
    for parameter in module.parameters():
        values = torch.randn(parameter.shape, generator=g, dtype=torch.float64)
        parameter.data.copy_(values / parameter.shape[-1] ** 0.5)
