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
    def cost_and_gradients(self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]) -> Float[Tensor, ""]:
        """J on this batch, leaving dJ/dW and dJ/db in the parameters' `.grad`."""

    @abstractmethod
    def cost_and_predictions(
        self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "1 m"]]:
        """J and A[L], without gradients."""

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

    def cost_and_gradients(self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]) -> Float[Tensor, ""]:
        """Forward sweep, cost, backward sweep."""
        self.network.train()
        self.network.redraw()
        J = self.network.cost(X, Y)
        self.network.backward()
        return J

    def cost_and_predictions(
        self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "1 m"]]:
        """J and A[L]."""
        self.network.eval()
        return self.network.cost(X, Y), self.network.loss.A


class TorchEngine(Engine):
    """The `torch.nn` twin of a network, differentiated by autograd. "gd" is `torch.optim.SGD`."""

    name = "torch"

    def __init__(self, network: Network, optimizer: str, learning_rate: float) -> None:
        self.twin = network.twin()
        self.loss = network.loss.twin()
        self.output = network.loss.output_twin()
        super().__init__(self.twin, OPTIMIZERS[optimizer](self.twin.parameters(), learning_rate))

    def cost_and_gradients(self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]) -> Float[Tensor, ""]:
        """Forward through the twin, then `backward()`."""
        self.twin.train()
        redraw(self.twin)
        self.optimizer.zero_grad()
        J: Tensor = self.loss(self.twin(examples_first(X)), examples_first(Y))
        J.backward()
        return J.detach()

    @torch.no_grad()
    def cost_and_predictions(
        self, X: Float[Tensor, "n_x m"], Y: Float[Tensor, "1 m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "1 m"]]:
        """J and A[L]."""
        self.twin.eval()
        outputs = self.twin(examples_first(X))
        return self.loss(outputs, examples_first(Y)), examples_last(self.output(outputs))


ENGINES: dict[str, Callable[[Network, str, float], Engine]] = {"manual": ManualEngine, "torch": TorchEngine}
