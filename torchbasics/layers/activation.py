r"""Activations: $A = g(Z)$ element by element, and $dZ = dA * g'(Z)$.

| g | g(z) | g'(z) | from the cache |
|---|---|---|---|
| sigmoid | 1 / (1 + exp(-z)) | a (1 - a) | A |
| tanh | (exp(z) - exp(-z)) / (exp(z) + exp(-z)) | 1 - a^2 | A |
| ReLU | max(0, z) | 1 where z > 0, else 0 | A |
| leaky ReLU | z where z > 0, else slope z | 1 where z > 0, else slope | A |

Shapes: Z, A, dZ and dA are alike, (n, m) or any other. Each backward makes one new tensor and goes on in it: on large
ones the memory that a formula's every intermediate value would take costs more than its arithmetic. For the same reason
a leaky ReLU takes up to a tenth longer than torch's: its backward goes over memory three times, torch's once.

Source: week 3, "Activation functions" and "Derivatives of activation functions".
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer


class Sigmoid(Layer):
    r"""A = 1 / (1 + exp(-Z)).

    $a' = \frac{e^{-z}}{(1+e^{-z})^2} = a\,(1 - a)$, so that dZ = dA * A * (1 - A).

    >>> Sigmoid()(torch.tensor([[0.0, 1000.0]]))
    tensor([[0.5000, 1.0000]])
    """

    symbol = "A"
    A: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = sigmoid(Z)."""
        self.A = torch.sigmoid(Z)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * A * (1 - A)."""
        # A (1 - A) lies as far from A towards 0 as A says. Near 1, A - A^2 rounded twice loses the digits of 1 - A.
        return torch.lerp(self.A, self.A.new_zeros(()), self.A).mul_(dA)

    def twin(self) -> nn.Sigmoid:
        """`nn.Sigmoid`."""
        return nn.Sigmoid()


class Tanh(Layer):
    r"""A = tanh(Z).

    $a' = \frac{(e^z+e^{-z})^2 - (e^z-e^{-z})^2}{(e^z+e^{-z})^2} = 1 - a^2$, so that dZ = dA * (1 - A^2).

    >>> Tanh()(torch.tensor([[0.0, 1000.0]]))
    tensor([[0., 1.]])
    """

    symbol = "A"
    A: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = tanh(Z)."""
        self.A = torch.tanh(Z)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (1 - A^2)."""
        return torch.addcmul(self.A.new_ones(()), self.A, self.A, value=-1).mul_(dA)

    def twin(self) -> nn.Tanh:
        """`nn.Tanh`."""
        return nn.Tanh()


class ReLU(Layer):
    """A = max(0, Z).

    dZ = dA where Z > 0, else 0. At Z = 0 the derivative is torch's 0; the notes write 1, and any value in [0, 1] is a
    subgradient.

    >>> ReLU()(torch.tensor([[-2.0, 0.0, 3.0]]))
    tensor([[0., 0., 3.]])
    """

    symbol = "A"
    A: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = max(0, Z)."""
        self.A = torch.relu(Z)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (1 where Z > 0, else 0)."""
        # A is 0 or positive, so that its sign is g'(Z); multiplying by a boolean mask takes several times as long.
        return torch.sign(self.A).mul_(dA)

    def twin(self) -> nn.ReLU:
        """`nn.ReLU`."""
        return nn.ReLU()


class LeakyReLU(Layer):
    """A = Z where Z > 0, else slope * Z, with 0 < slope < 1.

    dZ = dA where Z > 0, else slope * dA. At Z = 0 the derivative is torch's slope; the notes write 1, and any value in
    [slope, 1] is a subgradient.

    >>> LeakyReLU()(torch.tensor([[-2.0, 0.0, 3.0]]))
    tensor([[-0.0200,  0.0000,  3.0000]])
    """

    symbol = "A"
    A: Tensor

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        if not 0 < slope < 1:
            raise InputError(f"LeakyReLU got slope {slope}, expected 0 < slope < 1 (the notes use 0.01)")
        self.slope = slope

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = max(slope * Z, Z)."""
        self.A = nn.functional.leaky_relu(Z, self.slope)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (1 where Z > 0, else slope)."""
        # A has the sign of Z, and the signs -1, 0 and 1 become slope, slope and 1.
        return torch.sign(self.A).clamp_(min=self.slope).mul_(dA)

    def twin(self) -> nn.LeakyReLU:
        """`nn.LeakyReLU` with the same slope."""
        return nn.LeakyReLU(self.slope)

    def extra_repr(self) -> str:
        """The slope, as `print(network)` shows it."""
        return f"slope={self.slope}"
