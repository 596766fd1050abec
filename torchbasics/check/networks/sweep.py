"""One sweep of a network, forward and back, kept value by value."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from torchbasics.check.networks.local import OwnCost, OwnForward
from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.network import Network
from torchbasics.regularisation import Penalty


@dataclass(frozen=True)
class Sweep:
    """What a network computed, by place, and the references of its parts.

    `inputs[k]` goes into layer k, and the last of them into the loss; `outward[k]` is the derivative by what layer k
    gives, as the network has it, and `gradients[k]` what layer k wrote into its parameters' `.grad`.
    """

    network: Network
    parts: list[nn.Module]
    cost: nn.Module
    names: list[str]
    own_names: list[dict[str, str]]
    inputs: list[Tensor]
    Y: Tensor
    J: Tensor
    outward: list[Tensor | None]
    gradients: list[dict[str, Tensor | None]]
    failure: str
    """What `backward` raised, if it did."""

    @property
    def layers(self) -> list[Layer]:
        """The network's layers."""
        return self.network.sequence

    @property
    def m(self) -> int:
        """Examples."""
        return self.Y.shape[-1]

    @property
    def penalties(self) -> list[Penalty]:
        """The terms of J that depend on the weights alone."""
        return [penalty for penalty in self.network.penalties if isinstance(penalty, Penalty)]

    def place(self, gradient: str) -> tuple[int, str]:
        """The step that makes it, as (k, own name): dW2 is layer k's, a dA or dZ the layer's above, or the loss's."""
        if gradient[1:] in self.names:
            return self.names.index(gradient[1:]) + 1, ""
        for k, notes in enumerate(self.own_names):
            for own_name, name in notes.items():
                if gradient == f"d{name}":
                    return k, own_name
        raise AssertionError(gradient)

    def forward(self) -> dict[str, Tensor]:
        """X, Y, W1, b1, Z1, A1, ..., J."""
        found = {"X": self.inputs[0], "Y": self.Y}
        for name, notes, layer, A in zip(self.names, self.own_names, self.layers, self.inputs[1:], strict=True):
            found |= {notes[own_name]: parameter.detach() for own_name, parameter in layer.named_parameters()}
            found[name] = A
        return found | {"J": self.J}

    def backward(self) -> dict[str, Tensor | None]:
        """The gradients by name, in the order of the backward sweep; None for one that was not written."""
        found: dict[str, Tensor | None] = {}
        for k in range(len(self.names) - 1, self.network.first - 1, -1):
            found[f"d{self.names[k]}"] = self.outward[k]
            found |= {f"d{self.own_names[k][own_name]}": value for own_name, value in self.gradients[k].items()}
        return found

    def unjudged_forward(self) -> Iterator[str]:
        """One line for each part without a twin."""
        named = [*zip(self.names, self.layers, self.parts, strict=True), ("J", self.network.loss, self.cost)]
        for name, part, module in named:
            if isinstance(module, OwnForward | OwnCost):
                yield (
                    f"{type(part).__name__} has no twin: its backward is judged against autograd of its own forward, "
                    f"and {name} itself is not judged"
                )

    def unjudged_backward(self) -> Iterator[tuple[str, str]]:
        """(name, why) of each gradient that is missing, or that nothing can be judged below."""
        last = len(self.names) - 1
        for k in range(last, self.network.first - 1, -1):
            name, dA, A = f"d{self.names[k]}", self.outward[k], self.inputs[k + 1]
            if dA is None and (k == last or self.outward[k + 1] is not None):
                culprit = self.network.loss if k == last else self.layers[k + 1]
                yield name, f"{type(culprit).__name__}.backward {self.failure}; what comes below {name} is not judged"
            elif dA is not None and dA.shape != A.shape:
                yield name, f"the step below {name} is not judged: {name} has not the shape of {name[1:]}"
        first = self.network.first
        if self.failure and self.outward[first] is not None:
            yield self.names[first], f"{type(self.layers[first]).__name__}.gradients {self.failure}"


class _Record(dict[str, Tensor]):
    """Keeps every value as it was when recorded, and two of one name apart: the sweeps may work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[Tensor] = []

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.came.append(value.detach().clone())


def sweep(network: Network, parts: list[nn.Module], cost: nn.Module, X: Tensor, Y: Tensor) -> Sweep:
    """Run the network's own sweeps, from parameters without a `.grad`.

    What `cost` raises is raised; what `backward` raises is noted, and what came before it kept.
    """
    forward, backward = _Record(), _Record()
    network.cost(X, Y, forward)
    depth = len(network.sequence)
    if len(forward.came) != depth + 1:
        raise InputError(
            f"{type(network).__name__}.cost recorded {len(forward.came)} values, expected {depth + 1}: "
            "record[name] = A after every layer, and J last"
        )
    failure = ""
    try:
        network.backward(backward)
    except Exception as error:  # whatever the user's own backward may raise
        failure = f"raised {type(error).__name__}: {first_line(error)}"
    missing: list[Tensor | None] = [None] * (depth - len(backward.came))
    outward = [*missing, *backward.came[::-1]]
    gradients = [{name: at.grad for name, at in layer.named_parameters()} for layer in network.sequence]
    *values, J = forward.came
    names = network.names, network.own_names
    return Sweep(network, parts, cost, *names, [X, *values], Y, J, outward, gradients, failure)


def first_line(error: Exception) -> str:
    """The error's message as far as one line goes."""
    return str(error).partition("\n")[0]
