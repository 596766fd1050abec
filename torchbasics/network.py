"""A network is a list of layers and a loss: forward sweep, cost, backward sweep. One sweep serves every model.

Every quantity has the notes' name: a layer with weights opens layer l and gives Zl, its activation gives Al. Where two
have the same name, as two activations in a row have, the second gets a prime: A1, A1'.
"""

from collections.abc import Iterable, Iterator, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.layers.base import twin_of
from torchbasics.losses import Loss
from torchbasics.regularisation import Penalty


class Network(nn.Module):
    """X -> layers -> loss (and penalties on the weights) -> J, and back.

    Raises `InputError` where the same layer or parameter stands at two places, for each has the gradient of one.

    >>> import torch
    >>> from torchbasics.layers import Linear, Tanh
    >>> from torchbasics.losses import SigmoidCrossEntropy
    >>> network = Network([Linear(2, 4), Tanh(), Linear(4, 1)], SigmoidCrossEntropy())
    >>> network.names
    ['Z1', 'A1', 'Z2']
    >>> X, Y = torch.randn(2, 5), torch.ones(1, 5)
    >>> network.cost(X, Y)
    tensor(0.6931)
    >>> network.backward()
    >>> network.layers[2].b.grad
    tensor([[-0.5000]])
    """

    def __init__(self, layers: Iterable[Layer], loss: Loss, penalties: Iterable[Penalty] = ()) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._check()
        self.loss = loss
        self.penalties = nn.ModuleList(penalties)
        self.swept = False
        self.names: list[str] = []
        # For each layer, the notes' name of each of its parameters: {"W": "W1", "b": "b1"}.
        self.own_names: list[dict[str, str]] = []
        depth, taken = 0, set[str]()
        for layer in self.sequence:
            own_names: dict[str, str] = {}
            for prefix, part in layer.parts():
                own = [name for name, _ in part.named_parameters()]
                joins = part.joins and depth > 0 and not any(f"{name}{depth}" in taken for name in own)
                depth += part.symbol == "Z" or (bool(own) and not joins)
                own_names |= {f"{prefix}{name}": f"{name}{depth}" for name in own}
                taken.update(own_names.values())
            self.own_names.append(own_names)
            name = f"{layer.symbol}{depth}"
            while name in taken:
                name += "'"
            taken.add(name)
            self.names.append(name)

    def _check(self) -> None:
        if not self.layers:
            raise InputError("Network got no layers, expected one or more, as in [Linear(2, 1)]")
        names: dict[nn.Module | nn.Parameter, str] = {}
        parts = list(self.layers.named_modules(remove_duplicate=False))
        # What a layer keeps for its backward, and the gradients that it leaves, are those of one place.
        for name, part in [*parts, *self.layers.named_parameters(remove_duplicate=False)]:
            if part in names:
                kind = type(part).__name__ if isinstance(part, nn.Module) else "parameter"
                raise InputError(
                    f"Network got the same {kind} as layers.{names[part]} and as layers.{name}, expected another at "
                    "every place: a backward needs what its own forward has kept"
                )
            names[part] = name

    @property
    def first(self) -> int:
        """The place of the first layer with parameters, where the backward sweep ends."""
        return next((k for k, own_names in enumerate(self.own_names) if own_names), 0)

    @property
    def sequence(self) -> list[Layer]:
        """The layers in forward order, as `Layer`s."""
        return list(self.layers)  # type: ignore[arg-type]  # nn.ModuleList holds plain Modules for mypy

    @property
    def _penalties(self) -> list[Penalty]:
        return list(self.penalties)  # type: ignore[arg-type]  # nn.ModuleList holds plain Modules for mypy

    def forward(self, X: Float[Tensor, "..."]) -> Float[Tensor, "n_y *T m"]:
        """The predictions A[L] for X (n_x, m). A `backward` has to wait for the next `cost`: the caches are now X's."""
        return self.loss.output(self.outputs(X))

    def outputs(self, X: Float[Tensor, "..."]) -> Float[Tensor, "n_y *T m"]:
        """What the last layer gives for X, and the loss takes: Z[L] where the last activation is in the loss."""
        self.swept = False
        A = X
        for layer in self.sequence:
            A = layer(A)
        return A

    def cost(
        self, X: Float[Tensor, "..."], Y: Float[Tensor, "..."], record: dict[str, Tensor] | None = None
    ) -> Float[Tensor, ""]:
        """Forward sweep: J for X (n_x, m) and Y (n_y, m); `record` receives Z1, A1, ... by name."""
        A = X
        for name, layer in zip(self.names, self.sequence, strict=True):
            A = layer(A)
            if record is not None:
                record[name] = A
        self.m = Y.shape[-1]
        J = self.penalised(self.loss(A, Y), self.m)
        if record is not None:
            record["J"] = J
        self.swept = True
        return J

    def backward(self, record: dict[str, Tensor] | None = None) -> None:
        """Backward sweep: every parameter's `.grad`; `record` receives dZL, ..., dA1, dZ1 by name.

        It ends at the first layer with parameters: nobody asks for dA[0], nor for what lies between it and X.
        Raises `InputError` unless the last forward sweep was `cost`'s, whose caches it needs.
        """
        if not self.swept:
            raise InputError("backward has no sweep to go back over; call cost(X, Y) first, and predict after backward")
        dA = self.loss.backward()
        layers = self.sequence
        for k in range(len(layers) - 1, self.first, -1):
            if record is not None:
                record["d" + self.names[k]] = dA
            dA = layers[k].backward(dA)
        if record is not None:
            record["d" + self.names[self.first]] = dA
        layers[self.first].gradients(dA)
        weights = self.weights() if len(self.penalties) else []
        for penalty in self._penalties:
            for W, gradient in zip(weights, penalty.gradients(weights, self.m), strict=True):
                W.grad += gradient  # type: ignore[operator]  # the sweep has left one

    def quantities(self, X: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> dict[str, Tensor]:
        """Every hand-derived quantity of one step by its name: Z1, A1, ..., J, ..., dA1, dZ1, dW1, db1, ...

        dZ and dA are m times autograd's, dW and db are autograd's own: see `torchbasics.notation`.
        """
        record: dict[str, Tensor] = {}
        self.cost(X, Y, record)
        self.backward(record)
        for name, parameter in self.notes_parameters():
            assert parameter.grad is not None
            record["d" + name] = parameter.grad
        return record

    def notes_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield (name, parameter) with the notes' names: W1, b1, W2, b2, ..."""
        for names, layer in zip(self.own_names, self.sequence, strict=True):
            for own_name, parameter in layer.named_parameters():
                yield names[own_name], parameter

    def penalised(self, J: Float[Tensor, ""], m: int) -> Float[Tensor, ""]:
        """J with what the penalties add for m examples."""
        weights = self.weights() if len(self.penalties) else []
        for penalty in self._penalties if weights else ():
            J = J + penalty.cost(weights, m)
        return J

    def weights(self) -> list[nn.Parameter]:
        """The weights W1, W2, ..., which the penalties act on; not b, gamma, beta or an embedding's E."""
        return [parameter for name, parameter in self.notes_parameters() if is_weight(name)]

    def redraw(self) -> None:
        """Draw anew what is random in the layers, such as the masks of dropout; every training step begins with it."""
        redraw(self)

    def twin(self) -> nn.Sequential:
        """Return the layers' twins in order, independent and with equal values; it gives what `loss.twin()` takes."""
        twin = nn.Sequential(*(twin_of(layer) for layer in self.sequence))
        # Not of the parts: a layer that is frozen in a network that trains stays as it is.
        twin.training = self.training
        return twin

    def twin_cost(self, twin: nn.Sequential) -> "TwinCost":
        """J as the twin has it: the stock loss, and the penalties on the twin's own weights by stock parts."""
        weights = [theirs for name, _, theirs in self.pairs(twin) if is_weight(name)]
        return TwinCost(self.loss.twin(), self._penalties, weights)

    def pairs(self, twin: nn.Sequential) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """Yield (W1, our parameter, the twin's) and so on; the two hold equally many numbers in the same order."""
        for names, layer, layer_twin in zip(self.own_names, self.sequence, twin, strict=True):
            for own_name, ours, theirs in layer.pairs(layer_twin):
                yield names[own_name], ours, theirs


def is_weight(name: str) -> bool:
    """Whether a parameter of this name is a weight, as W1, Wax2 and Waa2 are."""
    return name.startswith("W")


class TwinCost:
    """J of a twin's outputs (m, ...) and the labels (m, ...)."""

    def __init__(self, loss: nn.Module, penalties: Sequence[Penalty], weights: Sequence[Tensor]) -> None:
        self.loss = loss
        self.penalties = penalties
        self.weights = weights

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """J."""
        return self.penalised(self.loss(outputs, labels), len(labels))

    def penalised(self, J: Tensor, m: int) -> Tensor:
        """J with what the penalties add for m examples."""
        for penalty in self.penalties if self.weights else ():
            J = J + penalty.twin_cost(self.weights, m)
        return J


def redraw(module: nn.Module) -> None:
    """Tell every part of a network or of its twin that has something random to draw it anew."""
    for part in module.modules():
        if part is not module and callable(draw := getattr(part, "redraw", None)):
            draw()


def set_lengths(module: nn.Module, lengths: Int[Tensor, " m"] | None) -> None:
    """Tell every part of a network or of its twin how many steps each example has; None where all have all T.

    It holds until the next call: give every batch its own.
    """
    for part in module.modules():
        if hasattr(part, "lengths"):
            part.lengths = lengths  # type: ignore[assignment]  # what it is, mypy cannot know
