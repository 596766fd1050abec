"""The contract that every layer keeps, so that one sweep serves every network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from torchbasics.errors import InputError


class Layer(nn.Module, ABC):
    """One step of the forward sweep, A_prev -> A, and its hand-derived step of the backward sweep, dA -> dA_prev.

    It is an `nn.Module`, so that devices, dtypes, `state_dict` and printing come for free, but its parameters have
    `requires_grad=False`: every gradient is written by hand into `.grad`, where any `torch.optim` optimizer finds it.

    `symbol` is the notes' letter for what comes out: "Z" for a layer with weights, "A" for an activation. A layer with
    parameters opens the next layer l of the notes' numbering; with `joins` its parameters share the number that is
    open, as batch norm's gamma[l] stands beside W[l]. `twin_names` maps each parameter's name here to its name in the
    twin.

    A layer that does otherwise in training than in use (dropout, batch norm) goes by `training`, as every `nn.Module`
    does. `forward` gives the same again for the same input: what is random stays as drawn until `redraw`. One that
    `takes_tokens` has whole numbers for its A_prev, which have no derivative.
    """

    symbol: ClassVar[str]
    joins: ClassVar[bool] = False
    takes_tokens: ClassVar[bool] = False
    twin_names: ClassVar[dict[str, str]] = {}

    @abstractmethod
    def forward(self, A_prev: Tensor) -> Tensor:
        """Compute A from A_prev, both with the examples last, and cache what `backward` needs."""

    @abstractmethod
    def backward(self, dA: Tensor) -> Tensor:
        """Compute dA_prev from dA, both m times autograd's, and write dJ/dW, dJ/db into the parameters' `.grad`."""

    def gradients(self, dA: Tensor) -> None:
        """Do what `backward` does but for dA_prev; nothing, unless the layer has parameters.

        It is all that the first layer of a network has to do: leaving out dA[0], which nobody asks for, saves half of
        the backward sweep on wide inputs.
        """

    @abstractmethod
    def twin(self) -> nn.Module:
        """Return an independent module of stock `torch.nn` parts with equal values, which takes the examples first."""

    def parts(self) -> Iterator[tuple[str, "Layer"]]:
        """Yield (prefix, layer) of the layers that this one is made of, in forward order; itself, unless composed.

        A part's parameter W has the name prefix + "W" here.
        """
        yield "", self

    def pairs(self, twin: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """Yield (name, our parameter, the twin's parameter); the two hold equally many numbers in the same order."""
        for name, twin_name in self.twin_names.items():
            yield name, self.get_parameter(name), twin.get_parameter(twin_name)


def twin_of(layer: Layer) -> nn.Module:
    """The layer's twin, in training or in use as the layer is.

    The twin of a composed layer whose parts differ in that has made its parts' twins by this function, each as it is.
    """
    twin = layer.twin()
    modes = {part.training for part in layer.modules() if isinstance(part, Layer)}
    return twin.train(layer.training) if len(modes) == 1 else twin


class FeaturesLast(nn.Module):
    """A stock part that has the features on the last axis, as a twin that has them on the second, after the examples.

    (m, n, T) -> (m, T, n) -> part -> (m, T, n') -> (m, n', T); of a part that gives more than one value, the first.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, A_prev: Float[Tensor, "m n_prev *T"]) -> Float[Tensor, "m n *T"]:
        """A."""
        found = self.part(A_prev.movedim(1, -1))
        A: Tensor = found[0] if isinstance(found, tuple) else found
        return A.movedim(-1, 1)


def positive_sizes(called: str, **sizes: int) -> None:
    """Raise `InputError`, in which the layer is `called` so, for a size that is no whole number above 0.

    >>> positive_sizes("RNN", n_prev=3, n_a=0)
    Traceback (most recent call last):
    torchbasics.errors.InputError: RNN got n_a = 0, expected a whole number, 1 or more
    """
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise InputError(f"{called} got {name} = {size!r}, expected a whole number, 1 or more")


def checked_lengths(
    lengths: object, A_prev: Float[Tensor, "n T m"], called: str, least: int = 1
) -> Int[Tensor, " m"] | None:
    """The lengths, as whole numbers where A_prev is; None where all sequences have T steps.

    Raises `InputError`, in which the layer is `called` so, for lengths that do not fit A_prev or are less than `least`.
    """
    if lengths is None:
        return None
    _, T, m = A_prev.shape
    if not isinstance(lengths, Tensor):
        raise InputError(f"{called} got lengths as a {type(lengths).__name__}, expected a tensor of shape ({m},)")
    if lengths.shape != (m,):
        raise InputError(
            f"{called} got lengths of shape {tuple(lengths.shape)} for A_prev {tuple(A_prev.shape)}, expected ({m},): "
            "one for each example; set_lengths(network, lengths) before each batch, None where all have T steps"
        )
    for i, length in enumerate(lengths.tolist()):
        if length not in range(least, T + 1):
            raise InputError(
                f"{called} got length {length} for example {i}, expected a whole number from {least} to T = {T}"
                + (": leave out examples without a step" if least else "")
            )
    return lengths.to(A_prev.device, torch.int64)


def parameter(values: Float[Tensor, "..."]) -> nn.Parameter:
    """A parameter that autograd leaves alone."""
    return nn.Parameter(values, requires_grad=False)
