r"""Penalties on large weights, as terms of the cost: $J = \frac1m\sum_i\mathcal L^{(i)} + \text{penalty}$.

| penalty | term of J | term of dW |
|---|---|---|
| L2 ("weight decay") | lambda / (2m) times the sum of all w^2 | lambda / m W |
| L1 | lambda / m times the sum of all abs(w) | lambda / m sign(W) |

The sums go over every weight of the network, W1, W2, ..., Wax, Waa, ..., but not over b, gamma, beta or an embedding.
They are divided by the m of the examples at hand, as the course does, so that lambda weighs against the *sum* of the
losses. sign(0) = 0, as torch has it, where any value from -1 to 1 is a subgradient.

Source: course 2, week 1, "Regularization" and "Why regularization reduces overfitting?".
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from torchbasics.errors import InputError


class Penalty(nn.Module, ABC):
    """A term of J that depends on the weights alone."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        if not 0 <= strength < float("inf"):
            name = type(self).__name__
            raise InputError(f"{name} got lambda = {strength}, expected 0 or a positive number, such as 0.7")
        self.strength = strength

    @abstractmethod
    def cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """The term of J for m examples."""

    @abstractmethod
    def gradients(self, weights: Sequence[Tensor], m: int) -> list[Tensor]:
        """What it adds to each weight's gradient, by hand."""

    @abstractmethod
    def twin_cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """The same term by stock parts, which autograd differentiates."""

    def extra_repr(self) -> str:
        """lambda, as `print(network)` shows it."""
        return f"{self.strength:g}"


class L2(Penalty):
    r"""$\frac{\lambda}{2m}\sum\lVert W\rVert_F^2$; since $\partial w^2/\partial w = 2w$, dW gains lambda / m W.

    >>> L2(0.5).cost([torch.tensor([[3.0, 4.0]])], m=5)
    tensor(1.2500)
    """

    def cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """lambda / (2m) times the sum of the squares."""
        J: Tensor = torch.stack([W.square().sum() for W in weights]).sum() * (self.strength / (2 * m))
        return J

    def gradients(self, weights: Sequence[Tensor], m: int) -> list[Tensor]:
        """lambda / m W."""
        return [W * (self.strength / m) for W in weights]

    def twin_cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """By `nn.functional.mse_loss` of each weight against 0."""
        terms = [nn.functional.mse_loss(W, torch.zeros_like(W), reduction="sum") for W in weights]
        J: Tensor = torch.stack(terms).sum() * (self.strength / (2 * m))
        return J


class L1(Penalty):
    r"""$\frac{\lambda}{m}\sum |w|$; dW gains lambda / m sign(W).

    >>> L1(0.5).cost([torch.tensor([[3.0, -4.0]])], m=5)
    tensor(0.7000)
    """

    def cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """lambda / m times the sum of the absolute values."""
        J: Tensor = torch.stack([W.abs().sum() for W in weights]).sum() * (self.strength / m)
        return J

    def gradients(self, weights: Sequence[Tensor], m: int) -> list[Tensor]:
        """lambda / m sign(W)."""
        return [torch.sign(W) * (self.strength / m) for W in weights]

    def twin_cost(self, weights: Sequence[Tensor], m: int) -> Tensor:
        """By `nn.functional.l1_loss` of each weight against 0."""
        terms = [nn.functional.l1_loss(W, torch.zeros_like(W), reduction="sum") for W in weights]
        J: Tensor = torch.stack(terms).sum() * (self.strength / m)
        return J
