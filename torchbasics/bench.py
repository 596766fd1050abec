r"""Each layer's forward and backward by hand, and its `torch.nn` twin's by autograd: time and memory, side by side.

Both do what a layer in the middle of a network does: A from A_prev, then dA_prev and the parameters' gradients from
dA. They take turns in one process, in an order drawn anew each round, so that what else the machine does meets both;
the ratio is that of the medians of the process's own time. Absolute times are this machine's, ratios hold elsewhere.

Arrays lie in memory as other layers hand them on: example after example, and of sequences step after step of each, a
step's features side by side, as linear layers, attention and the embedding make them. dA lies as A does.

Memory is the most that is alive at once of what the step allocates, from before its forward to after its backward:
A and what is kept for the backward, dA_prev, the gradients, and whatever comes and goes in between. It is counted
tensor by tensor, and so leaves out the scratch space inside a kernel, of which both sides use the same kind.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torchbasics import layers
from torchbasics.errors import InputError, nearest
from torchbasics.layers import Layer
from torchbasics.notation import examples_first, examples_last

ALLOWED = 1.1
"""By hand, a step may cost so many times what it costs the twin."""


@dataclass(frozen=True)
class Case:
    """A layer, and the shape of A_prev at a size that fills the machine.

    Sequences lie features last, unless they are `channelwise`, as convolutions make them.
    """

    make: Callable[[], Layer]
    shape: tuple[int, ...]
    channelwise: bool = False


@dataclass(frozen=True)
class Measured:
    """Seconds and bytes of one step, by hand and of the twin."""

    seconds: tuple[float, float]
    peak: tuple[int, int]

    @property
    def time_ratio(self) -> float:
        """By hand / twin."""
        return self.seconds[0] / self.seconds[1]

    @property
    def memory_ratio(self) -> float:
        """By hand / twin."""
        return self.peak[0] / self.peak[1]


VECTORS = (4096, 512)
IMAGES = (64, 32, 32, 128)
SEQUENCES = (256, 256, 16)
STEPS = (256, 64, 64)

CASES: dict[str, Case] = {
    "Linear": Case(lambda: layers.Linear(1024, 1024), (1024, 512)),
    "LinearOverTime": Case(lambda: layers.LinearOverTime(256, 256), SEQUENCES),
    "Conv2d": Case(lambda: layers.Conv2d(64, 64, 3, padding=1), IMAGES),
    "ConvTranspose2d": Case(lambda: layers.ConvTranspose2d(64, 64, 3, padding=1), IMAGES),
    "Conv1d": Case(lambda: layers.Conv1d(256, 256, 3, padding=1), SEQUENCES, channelwise=True),
    "MaxPool2d": Case(lambda: layers.MaxPool2d(2), IMAGES),
    "AvgPool2d": Case(lambda: layers.AvgPool2d(2), IMAGES),
    "AdaptiveAvgPool2d": Case(lambda: layers.AdaptiveAvgPool2d(7, 7), IMAGES),
    "BatchNorm1d": Case(lambda: layers.BatchNorm1d(4096), VECTORS),
    "BatchNorm2d": Case(lambda: layers.BatchNorm2d(64), IMAGES),
    "LayerNorm": Case(lambda: layers.LayerNorm(256), SEQUENCES),
    "GroupNorm": Case(lambda: layers.GroupNorm(8, 64), IMAGES),
    "RMSNorm": Case(lambda: layers.RMSNorm(256), SEQUENCES),
    "Dropout": Case(lambda: layers.Dropout(0.5, seed=1), VECTORS),
    "Embedding": Case(lambda: layers.Embedding(1000, 256), (64, 128)),
    "RNN": Case(lambda: layers.RNN(256, 256), STEPS),
    "GRU": Case(lambda: layers.GRU(256, 256), STEPS),
    "LSTM": Case(lambda: layers.LSTM(256, 256), STEPS),
    "ScaledDotProductAttention": Case(lambda: layers.ScaledDotProductAttention(8), (768, 256, 16)),
    "MultiHeadAttention": Case(lambda: layers.MultiHeadAttention(256, 8), SEQUENCES),
    **{
        kind.__name__: Case(kind, VECTORS)
        for kind in (
            layers.Sigmoid,
            layers.Tanh,
            layers.ReLU,
            layers.LeakyReLU,
            layers.ELU,
            layers.GELU,
            layers.SiLU,
            layers.Softplus,
            layers.Softmax,
            layers.LogSoftmax,
        )
    },
}
"""Every kind of layer that computes, by its name; those that only rearrange cost nothing on either side."""


def measure(case: Case, rounds: int, seed: int = 0) -> Measured:
    """Time and memory of a float32 step, the median over the rounds."""
    g = torch.Generator().manual_seed(seed)
    layer = case.make()
    for parameter in layer.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=g) / parameter[0].numel() ** 0.5)
    twin = layer.twin()
    first = _inputs(layer, case, g)
    A_prev = examples_last(first)
    dA = torch.empty_like(layer(A_prev)).normal_(generator=g)
    dA_first = examples_first(dA)
    wants_slope = not layer.takes_tokens

    def by_hand() -> Tensor:
        A: Tensor = layer(A_prev)
        layer.backward(dA)
        return A

    def by_autograd() -> Tensor:
        leaf = first.detach().requires_grad_(wants_slope)
        for parameter in twin.parameters():
            parameter.grad = None
        A: Tensor = twin(leaf)
        A.backward(dA_first)
        # In a network the next layer has A, on either side.
        return A

    sides = (by_hand, by_autograd)
    for side in sides:
        side()
    order = random.Random(seed)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for k in order.sample((0, 1), 2):
            started = time.process_time()
            sides[k]()
            seconds[k].append(time.process_time() - started)
    peaks = [_peak(side) for side in sides]
    return Measured((statistics.median(seconds[0]), statistics.median(seconds[1])), (peaks[0], peaks[1]))


def chosen(names: Sequence[str]) -> dict[str, Case]:
    """The named cases, or all. Raises `InputError` for a name that is none."""
    for name in names:
        if name not in CASES:
            raise InputError(f"bench layers: no layer is called {name!r}; {nearest(name, CASES)}")
    return {name: CASES[name] for name in names} or CASES


def _inputs(layer: Layer, case: Case, g: torch.Generator) -> Tensor:
    """A_prev, examples first, as it lies in memory."""
    *n, m = case.shape
    if layer.takes_tokens:
        return torch.randint(0, layer.get_parameter("E").shape[0], (m, *n), generator=g).float()
    if len(n) == 2 and not case.channelwise:
        return torch.randn(m, *reversed(n), generator=g).mT
    return torch.randn(m, *n, generator=g)


class _Peak(TorchDispatchMode):
    """Adds up what is alive of the storages that operations have made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[StorageWeakRef, int] = {}
        self.most = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and count what it has made."""
        given = {StorageWeakRef(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        out = func(*args, **(kwargs or {}))
        self.alive = {storage: size for storage, size in self.alive.items() if not storage.expired()}
        for t in tree_leaves(out):
            if isinstance(t, Tensor):
                storage = t.untyped_storage()
                reference = StorageWeakRef(storage)
                if reference not in given:
                    self.alive[reference] = storage.nbytes()
        self.most = max(self.most, sum(self.alive.values()))
        return out


def _peak(step: Callable[[], object]) -> int:
    with _Peak() as peak:
        step()
    most: int = peak.most
    return most
