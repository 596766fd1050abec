"""The contract that every loss keeps, and the stock losses' way to the notes' cost."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError


class Loss(nn.Module, ABC):
    """J from what the last layer gives, and the first step of the backward sweep.

    The examples are the last axis and the outputs the first; between them may be time steps.
    """

    @abstractmethod
    def forward(self, A: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """Compute J and cache what `backward` needs."""

    @abstractmethod
    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """Compute the derivative of the sum of the losses by what `forward` was given."""

    @abstractmethod
    def twin(self) -> nn.Module:
        """Return the stock `torch.nn` loss, which takes predictions and labels with the examples first."""

    def output(self, A: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """The predictions A[L]: what the last layer gives, unless the loss has the last activation in it."""
        return A

    def output_twin(self) -> nn.Module:
        """The stock module that does what `output` does."""
        return nn.Identity()


class PerExample(nn.Module):
    """A stock loss with `reduction="sum"` as the notes' cost: factor / m times the sum over everything."""

    def __init__(self, loss: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.factor = factor

    def forward(self, predictions: Float[Tensor, "m n_y *T"], labels: Float[Tensor, "m _ *T"]) -> Float[Tensor, ""]:
        """J."""
        J: Tensor = self.loss(predictions, labels) * (self.factor / len(labels))
        return J


def same_shape(A: Tensor, Y: Tensor) -> None:
    """Refuse labels that have not the predictions' shape."""
    # Without this, Y (m,) against A (1, m) would pass, and A - Y of (m, 1) and (m,) would silently be (m, m).
    if A.shape != Y.shape:
        raise InputError(
            f"the labels Y have shape {tuple(Y.shape)} and the predictions {tuple(A.shape)}: both need (n_y, m), "
            "one example per column; reshape a vector of labels to (1, m)"
        )


def one_of(wrong: Tensor, Y: Tensor) -> str:
    """The first of the labels marked as wrong, and where it is, for a message."""
    index = tuple(wrong.nonzero()[0].tolist())
    return f"{Y[index].item():g} at {index}"
