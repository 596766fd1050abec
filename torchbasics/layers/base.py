"""The contract that every layer keeps, so that one sweep serves every network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn


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


def parameter(values: Float[Tensor, "..."]) -> nn.Parameter:
    """A parameter that autograd leaves alone."""
    return nn.Parameter(values, requires_grad=False)
