"""The two engines behind one small interface: gradients by hand, and by autograd through the twin."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.network import Network, redraw
from torchbasics.notation import examples_first, examples_last
from torchbasics.optim import GradientDescent

Parameters = Iterable[nn.Parameter]
# Inputs of one chunk of an evaluation: the 12,288 of each of 209 pictures fit, and layers may hold many times as many.
CHUNK = 1 << 22
# torch.optim's, by the notes' names. Their momentum has beta = 0.9 (course 2, week 2).
OPTIMIZERS: dict[str, Callable[[Parameters, float], torch.optim.Optimizer]] = {
    "gd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
    "momentum": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
    "adagrad": lambda parameters, rate: torch.optim.Adagrad(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "adamw": lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate),
}


class Engine(ABC):
    """One way to descend the cost. `cost_and_gradients` and `update` are apart, so that gradients can be compared."""

    name: ClassVar[str]

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.module = module
        self.optimizer = optimizer

    @abstractmethod
    def cost_and_gradients(self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]) -> Float[Tensor, ""]:
        """J on this batch, leaving dJ/dW and dJ/db in the parameters' `.grad`."""

    def cost_and_predictions(
        self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n_y *T m"]]:
        """J and A[L] in use (no dropout, batch norm by its running statistics), without gradients, in chunks."""
        m = Y.shape[-1]
        count = max(1, CHUNK * m // X.numel())
        if count >= m:
            J, A = self.loss_and_predictions(X, Y)
            return self.penalised(J, m), A
        chunks = zip(X.split(count, dim=-1), Y.split(count, dim=-1), strict=True)
        found = [(y.shape[-1] / m, *self.loss_and_predictions(x, y)) for x, y in chunks]
        J = torch.stack([share * loss for share, loss, _ in found]).sum()
        return self.penalised(J, m), torch.cat([A for _, _, A in found], dim=-1)

    @abstractmethod
    def loss_and_predictions(
        self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n_y *T m"]]:
        """J without penalties, and A[L], of a few examples in use."""

    @abstractmethod
    def penalised(self, J: Float[Tensor, ""], m: int) -> Float[Tensor, ""]:
        """J with the penalties on the weights."""

    def update(self) -> None:
        """W := W - alpha dW, or what the optimizer makes of it."""
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """What the engine needs to go on bit for bit."""
        return {"parameters": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        self.module.load_state_dict(saved["parameters"])
        self.optimizer.load_state_dict(saved["optimizer"])


class ManualEngine(Engine):
    """The hand-derived network. "gd" is our own `GradientDescent`; the others are `torch.optim`'s."""

    name = "manual"

    def __init__(self, network: Network, optimizer: str, learning_rate: float) -> None:
        self.network = network
        make: Callable[[Parameters, float], torch.optim.Optimizer]
        make = GradientDescent if optimizer == "gd" else OPTIMIZERS[optimizer]
        super().__init__(network, make(network.parameters(), learning_rate))

    def cost_and_gradients(self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]) -> Float[Tensor, ""]:
        """Forward sweep, cost, backward sweep."""
        self.network.train()
        self.network.redraw()
        J = self.network.cost(X, Y)
        self.network.backward()
        return J

    @torch.no_grad()
    def loss_and_predictions(
        self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n_y *T m"]]:
        """J without penalties, and A[L]."""
        self.network.eval()
        outputs = self.network.outputs(X)
        return self.network.loss(outputs, Y), self.network.loss.output(outputs)

    def penalised(self, J: Float[Tensor, ""], m: int) -> Float[Tensor, ""]:
        """J with the penalties on the weights."""
        return self.network.penalised(J, m)


class TorchEngine(Engine):
    """The `torch.nn` twin of a network, differentiated by autograd. "gd" is `torch.optim.SGD`."""

    name = "torch"

    def __init__(self, network: Network, optimizer: str, learning_rate: float) -> None:
        self.twin = network.twin()
        self.cost = network.twin_cost(self.twin)
        self.output = network.loss.output_twin()
        super().__init__(self.twin, OPTIMIZERS[optimizer](self.twin.parameters(), learning_rate))

    def cost_and_gradients(self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]) -> Float[Tensor, ""]:
        """Forward through the twin, then `backward()`."""
        self.twin.train()
        redraw(self.twin)
        self.optimizer.zero_grad()
        J = self.cost(self.twin(examples_first(X)), examples_first(Y))
        J.backward()
        return J.detach()

    @torch.no_grad()
    def loss_and_predictions(
        self, X: Float[Tensor, "*n_x m"], Y: Float[Tensor, "1 *T m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "n_y *T m"]]:
        """J without penalties, and A[L]."""
        self.twin.eval()
        outputs = self.twin(examples_first(X))
        return self.cost.loss(outputs, examples_first(Y)), examples_last(self.output(outputs))

    @torch.no_grad()
    def penalised(self, J: Float[Tensor, ""], m: int) -> Float[Tensor, ""]:
        """J with the penalties on the weights."""
        return self.cost.penalised(J, m)


ENGINES: dict[str, Callable[[Network, str, float], Engine]] = {"manual": ManualEngine, "torch": TorchEngine}


def likeliest(A: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "1 *T m"]:
    """The label that the probabilities A[L] speak for: of two classes label 1 where p > 1/2, else the largest's."""
    return ((A > 0.5) if len(A) == 1 else A.argmax(dim=0, keepdim=True)).to(A.dtype)
