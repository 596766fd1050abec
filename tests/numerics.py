"""What the tests share: random numbers that hide nothing, closeness to rounding, derivatives by differences."""

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([torch.float64, torch.float32])


def distinct_sizes(count: int, largest: int = 9) -> st.SearchStrategy[list[int]]:
    """Pairwise-distinct sizes, so that no axis can be mistaken for another."""
    return st.lists(st.integers(1, largest), min_size=count, max_size=count, unique=True)


def generator(seed: int) -> torch.Generator:
    """A generator of its own, seeded."""
    return torch.Generator().manual_seed(seed)


def randomise(module: nn.Module, g: torch.Generator) -> None:
    """Give every parameter normal numbers, biases included: a wrong gradient hides behind b = 0.

    Weights are scaled by 1 / sqrt(n_prev), so that Z keeps to a few units however deep, and no sigmoid saturates.
    """
    for parameter in module.parameters():
        values = torch.randn(parameter.shape, generator=g, dtype=torch.float64)
        parameter.data.copy_(values / parameter.shape[-1] ** 0.5)


def assert_close(ours: Tensor, reference: Tensor, what: str, ulps: float = 64) -> None:
    """Equal shapes, and the worst entry within `ulps` roundings of the largest: sums here have at most 10 terms."""
    assert ours.shape == reference.shape, f"{what}: shape {tuple(ours.shape)}, expected {tuple(reference.shape)}"
    difference = (ours.double() - reference.double()).abs().max()
    bound = ulps * torch.finfo(ours.dtype).eps * max(reference.double().abs().max(), torch.finfo(ours.dtype).tiny)
    assert difference <= bound, f"{what}: off by {difference:.3g}, rounding explains {bound:.3g}"


def central_differences(f: Callable[[], Tensor], at: Tensor, h: float = 1e-5) -> Tensor:
    """df/d(at) entry by entry, changing `at` in place and back; f is a float64 scalar of normal size."""
    gradient = torch.empty_like(at)
    for index in np.ndindex(at.shape):
        value = at[index].item()
        at[index] = value + h
        above = f()
        at[index] = value - h
        below = f()
        at[index] = value
        gradient[index] = (above - below) / (2 * h)
    return gradient


def autograd_quantities(network: Network, X: Tensor, Y: Tensor) -> dict[str, Tensor]:
    """Every quantity of `Network.quantities` by autograd through the twin, in the notes' shapes and scale."""
    twin = network.twin()
    cost = network.twin_cost(twin)
    outputs, A = {}, examples_first(X)
    for name, layer in zip(network.names, twin, strict=True):
        outputs[name] = A = layer(A)
        if A.requires_grad:  # not below the first layer with parameters
            A.retain_grad()
    J = cost(A, examples_first(Y))
    J.backward()
    quantities = {name: examples_last(A.detach()) for name, A in outputs.items()}
    quantities["J"] = J.detach()
    for name, A in list(outputs.items())[network.first :]:
        quantities["d" + name] = dZ_from_autograd(examples_last(A.grad))
    for name, ours, theirs in network.pairs(twin):
        quantities["d" + name] = theirs.grad.reshape(ours.shape)
    return quantities
