r"""Smooth relatives of ReLU: $A = g(Z)$ element by element, and $dZ = dA * g'(Z)$.

| g | g(z) | g'(z) | from the cache |
|---|---|---|---|
| ELU | z where z > 0, else alpha (exp(z) - 1) | 1 where z > 0, else alpha exp(z) | Z |
| GELU | z Phi(z) | Phi(z) + z phi(z) | Z, A |
| SiLU | z sigmoid(z) | sigmoid(z) + a (1 - sigmoid(z)) | Z, A |
| softplus | log(1 + exp(z)) | sigmoid(z) | Z |

Phi is the standard normal distribution function and phi its density. Far to the right every g is z to rounding, and
far to the left ELU is -alpha and the others 0; no exponential overflows on the way.

torch computes each of these derivatives in one pass over memory. Here it takes three of SiLU and four to six of ELU and
GELU, each of which reads or writes all of it: about a fifth of the time of a step.

Where A is cached it takes no memory of its own in a network: the next linear layer keeps the same tensor. Where exp(z)
is needed and z <= 0, it is 2^(z log2 e), which torch computes three times as fast on a CPU; rounding the exponent
costs |z| exp(z) < 0.4 roundings.

Shapes: Z, A, dZ and dA are alike, (n, m) or any other. Source: Clevert, Unterthiner and Hochreiter, "Fast and Accurate
Deep Network Learning by Exponential Linear Units"; Hendrycks and Gimpel, "Gaussian Error Linear Units"; Dugas et al.,
"Incorporating Second-Order Functional Knowledge for Better Option Pricing".
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import Layer

LOG2_E = math.log2(math.e)


class ELU(Layer):
    r"""A = Z where Z > 0, else alpha (exp(Z) - 1), with alpha > 0.

    $a' = 1$ where z > 0, else $\alpha e^z$. At z = 0 the slopes from the left and from the right are alpha and 1: the
    same for alpha = 1, and otherwise, as in torch, the derivative at 0 is alpha.

    >>> ELU()(torch.tensor([[-1000.0, 0.0, 3.0]]))
    tensor([[-1.,  0.,  3.]])
    """

    symbol = "A"
    Z: Tensor

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        if not 0 < alpha < math.inf:
            raise InputError(f"ELU got alpha {alpha}, expected alpha > 0: far to the left A is -alpha (1 is usual)")
        self.alpha = alpha

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = max(0, Z) + alpha (exp(min(0, Z)) - 1)."""
        self.Z = Z
        return nn.functional.elu(Z, self.alpha)

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (1 where Z > 0, else alpha * exp(Z))."""
        slope = self.Z.clamp(max=0).mul_(LOG2_E).exp2_()
        if self.alpha != 1:  # else both sides are exp(min(0, Z)) already
            positive = torch.sign(self.Z).clamp_(min=0)
            slope.mul_(self.alpha).add_(positive, alpha=1 - self.alpha)
        return slope.mul_(dA)

    def twin(self) -> nn.ELU:
        """`nn.ELU` with the same alpha."""
        return nn.ELU(self.alpha)

    def extra_repr(self) -> str:
        """Alpha, as `print(network)` shows it."""
        return f"alpha={self.alpha}"


class GELU(Layer):
    r"""A = Z Phi(Z), with $\Phi(z) = \frac12\big(1 + \operatorname{erf}(z/\sqrt2)\big)$: the exact form.

    $\Phi' = \varphi$ with $\varphi(z) = e^{-z^2/2} / \sqrt{2\pi}$, so that $a' = \Phi(z) + z\,\varphi(z)$. The backward
    reads Phi off the cache as A / Z, 1/2 where Z = 0: computing an erf once more takes as long as all the rest. (Where
    |z| is below 1e-38 in float32, A has few digits left, and so has this Phi.)

    Left of z = -5.5 in float32 and of -8.3 in float64 the 1 + erf(z / sqrt(2)) that torch computes is 0, and with it A,
    where z Phi(z) is still -1e-7 and -4e-16: right to a few roundings of 1, but without digits of its own.

    >>> GELU()(torch.tensor([[-1000.0, 0.0, 1000.0]]))
    tensor([[  -0.,    0., 1000.]])
    """

    symbol = "A"
    Z: Tensor
    A: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = Z * Phi(Z)."""
        self.Z, self.A = Z, nn.functional.gelu(Z)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (Phi(Z) + Z * phi(Z))."""
        # phi(z) is one power of two: log2 phi = -z^2 / 2 log2 e - log2 sqrt(2 pi).
        at_0 = self.Z.new_full((), -math.log2(2 * math.pi) / 2)
        phi = torch.addcmul(at_0, self.Z, self.Z, value=-LOG2_E / 2).exp2_()
        slope = phi.mul_(self.Z).addcdiv_(self.A, self.Z)
        return slope.nan_to_num_(0.5).mul_(dA)

    def twin(self) -> nn.GELU:
        """`nn.GELU`."""
        return nn.GELU()


class SiLU(Layer):
    r"""A = Z sigmoid(Z), also called swish.

    With $\sigma' = \sigma (1 - \sigma)$, $a' = \sigma + z\,\sigma(1-\sigma) = \sigma + a\,(1 - \sigma)$: as far from
    sigma towards 1 as a says.

    >>> SiLU()(torch.tensor([[-1000.0, 0.0, 1000.0]]))
    tensor([[  -0.,    0., 1000.]])
    """

    symbol = "A"
    Z: Tensor
    A: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = Z * sigmoid(Z)."""
        self.Z, self.A = Z, nn.functional.silu(Z)
        return self.A

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * (sigmoid(Z) + A * (1 - sigmoid(Z)))."""
        sigmoid = torch.sigmoid(self.Z)
        slope = sigmoid.lerp_(sigmoid.new_ones(()), self.A)
        return slope.mul_(dA)

    def twin(self) -> nn.SiLU:
        """`nn.SiLU`."""
        return nn.SiLU()


class Softplus(Layer):
    r"""A = log(1 + exp(Z)) = max(0, Z) + log(1 + exp(-|Z|)), in which nothing overflows.

    $a' = \frac{e^z}{1 + e^z} = \sigma(z)$, so that dZ = dA * sigmoid(Z).

    `nn.Softplus()` takes A = Z above a threshold of 20 and so leaves out log(1 + exp(-20)) = 2e-9: less than float32's
    rounding of 20, but 600,000 roundings in float64. The twin's threshold is 40, where what it leaves out is 4e-18:
    less than rounding in either.

    >>> Softplus()(torch.tensor([[-1000.0, 0.0, 1000.0]]))
    tensor([[0.0000e+00, 6.9315e-01, 1.0000e+03]])
    """

    symbol = "A"
    Z: Tensor

    def forward(self, Z: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """A = log(exp(Z) + exp(0))."""
        self.Z = Z
        return torch.logaddexp(Z, Z.new_zeros(()))

    def backward(self, dA: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
        """dZ = dA * sigmoid(Z)."""
        return torch.sigmoid(self.Z).mul_(dA)

    def twin(self) -> nn.Softplus:
        """`nn.Softplus` with a threshold that float64 does not notice."""
        return nn.Softplus(threshold=40)
