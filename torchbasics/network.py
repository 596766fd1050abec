"""A network is a list of layers and a loss: forward sweep, cost, backward sweep. One sweep serves every model.

Every quantity has the notes' name: a layer with weights opens layer l and gives Zl, its activation gives Al. Where two
have the same name, as two activations in a row have, the second gets a prime: A1, A1'.
"""

from collections.abc import Iterable, Iterator

from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.losses import Loss


class Network(nn.Module):
    """X -> layers -> loss -> J, and back.

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

    def __init__(self, layers: Iterable[Layer], loss: Loss) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.loss = loss
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

    @property
    def sequence(self) -> list[Layer]:
        """The layers in forward order, as `Layer`s."""
        return list(self.layers)  # type: ignore[arg-type]  # nn.ModuleList holds plain Modules for mypy

    def forward(self, X: Float[Tensor, "..."]) -> Float[Tensor, "n_y m"]:
        """The predictions A[L] for X (n_x, m). A `backward` has to wait for the next `cost`: the caches are now X's."""
        self.swept = False
        A = X
        for layer in self.sequence:
            A = layer(A)
        return self.loss.output(A)

    def cost(
        self, X: Float[Tensor, "..."], Y: Float[Tensor, "..."], record: dict[str, Tensor] | None = None
    ) -> Float[Tensor, ""]:
        """Forward sweep: J for X (n_x, m) and Y (n_y, m); `record` receives Z1, A1, ... by name."""
        A = X
        for name, layer in zip(self.names, self.sequence, strict=True):
            A = layer(A)
            if record is not None:
                record[name] = A
        J: Tensor = self.loss(A, Y)
        if record is not None:
            record["J"] = J
        self.swept = True
        return J

    def backward(self, record: dict[str, Tensor] | None = None) -> None:
        """Backward sweep: every parameter's `.grad`; `record` receives dZL, ..., dA1, dZ1 by name.

        Raises `InputError` unless the last forward sweep was `cost`'s, whose caches it needs.
        """
        if not self.swept:
            raise InputError("backward has no sweep to go back over; call cost(X, Y) first, and predict after backward")
        dA = self.loss.backward()
        for name, layer in zip(self.names[:0:-1], self.sequence[:0:-1], strict=True):
            if record is not None:
                record["d" + name] = dA
            dA = layer.backward(dA)
        if record is not None:
            record["d" + self.names[0]] = dA
        self.sequence[0].gradients(dA)

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

    def redraw(self) -> None:
        """Draw anew what is random in the layers, such as the masks of dropout; every training step begins with it."""
        redraw(self)

    def twin(self) -> nn.Sequential:
        """Return the layers' twins in order, independent and with equal values; it gives what `loss.twin()` takes."""
        return nn.Sequential(*(layer.twin() for layer in self.sequence)).train(self.training)

    def pairs(self, twin: nn.Sequential) -> Iterator[tuple[str, nn.Parameter, nn.Parameter]]:
        """Yield (W1, our parameter, the twin's) and so on; the two hold equally many numbers in the same order."""
        for names, layer, layer_twin in zip(self.own_names, self.sequence, twin, strict=True):
            for own_name, ours, theirs in layer.pairs(layer_twin):
                yield names[own_name], ours, theirs


def redraw(module: nn.Module) -> None:
    """Tell every part of a network or of its twin that has something random to draw it anew."""
    for part in module.modules():
        if part is not module and callable(draw := getattr(part, "redraw", None)):
            draw()
