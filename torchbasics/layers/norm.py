r"""Normalisation: Z brought to mean 0 and variance 1, then stretched by gamma and shifted by beta, which are learned.

$$Z_{norm} = \frac{Z - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad \tilde Z = \gamma * Z_{norm} + \beta$$

The kinds differ in which numbers, K of them, share a mean mu and a variance sigma^2:

| layer | Z | K numbers share mu and sigma^2 |
|---|---|---|
| `BatchNorm1d` | (n, m) or (n, T, m) | a unit's, over steps and examples: K = m or T m |
| `BatchNorm2d` | (n_C, H, W, m) | a channel's, over pixels and examples: K = H W m |
| `LayerNorm` | (n, m) or (n, T, m) | those of one example, or of one step of it: K = n |
| `RMSNorm` | (n, m) or (n, T, m) | the same, with 0 for mu |
| `GroupNorm` | (n_C, m), (n_C, T, m) or (n_C, H, W, m) | one example's group of channels: K = n_C H W / groups |

Legend: m examples; gamma, beta, dgamma and dbeta (n, 1); Z, Z_norm, Z_tilde and their derivatives are alike.

**Backward.** dZ_tilde, dZ_norm and dZ are derivatives of the sum of the losses, $\mathcal L = m J$, dgamma and dbeta
those of J; for each unit, the sums being over its steps or pixels and the examples,

$$d\gamma = \frac1m \sum d\tilde Z * Z_{norm}, \qquad d\beta = \frac1m \sum d\tilde Z, \qquad
  dZ_{norm} = \gamma * d\tilde Z .$$

With $r = 1/\sqrt{\sigma^2 + \epsilon}$ each of the K numbers z_k acts through its own z_norm, through mu and through
sigma^2:

$$\frac{\partial\mathcal L}{\partial\sigma^2} = -\frac{r^3}{2} \sum_k dz_{norm,k}\,(z_k - \mu), \qquad
  \frac{\partial\mathcal L}{\partial\mu} = -r \sum_k dz_{norm,k}
    - \frac{2}{K}\,\frac{\partial\mathcal L}{\partial\sigma^2} \underbrace{\sum_k (z_k-\mu)}_{0},$$
$$dz_k = r\, dz_{norm,k} + \frac1K \frac{\partial\mathcal L}{\partial\mu}
    + \frac{2}{K}(z_k-\mu)\, \frac{\partial\mathcal L}{\partial\sigma^2}
  = r \Big( dz_{norm,k} - \operatorname{mean}(dZ_{norm})
    - z_{norm,k} \operatorname{mean}(dZ_{norm} * Z_{norm}) \Big),$$

both means over the K numbers. Normalising undoes what shifts all K or stretches them, so that dZ sums to 0 and, but for
epsilon, so does dZ * Z_norm.

**Memory and speed.** Between the sweeps Z is kept, and one mu and one r for every K numbers: what autograd keeps. All
else is done block by block of the examples, in place and where the result will stand: what one operation writes the
next finds in the cache, and no further array of the size of Z is made.

The backward of torch's own kernels needs Z and dZ_tilde once for all that happens to them, and operations on arrays
once each. Of layer norm they read and write 22 times the size of Z, the kernels 5 times: twice the time, wherever the
numbers of a mean lie side by side.

Source: course 2, week 3, "Fitting Batch Norm into a neural network" and "Batch Norm at test time"; Ioffe and Szegedy
2015, Ba et al. 2016, Wu and He 2018, Zhang and Sennrich 2019.
"""

from collections.abc import Iterator
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.base import FeaturesLast, Layer, parameter, positive_sizes
from torchbasics.notation import examples_first, examples_last

# How much of a batch's statistics goes into the running ones, as in torch.nn.
MOMENTUM = 0.1
# Numbers in a block: 2 MB of float32, which stay in a processor's cache from one operation to the next.
BLOCK = 2**19
SHAPES = {2: "({n}, m)", 3: "({n}, T, m)", 4: "({n}, H, W, m)"}

Stock = TypeVar("Stock", bound=nn.Module)


class Norm(Layer):
    """What the kinds have in common: gamma beside the W[l] below it, epsilon, and a Z of n units or channels."""

    symbol = "Z_tilde"
    joins = True
    axes: ClassVar[tuple[int, ...]] = (2, 3)
    """How many axes Z may have."""

    def __init__(self, n: int, epsilon: float) -> None:
        super().__init__()
        name = type(self).__name__
        positive_sizes(name, n=n)
        if not 0 <= epsilon < float("inf"):
            raise InputError(f"{name} got epsilon {epsilon}, expected 0 or a positive number, such as 1e-5")
        self.gamma = parameter(torch.ones(n, 1))
        self.epsilon = epsilon

    def _check(self, Z: Tensor) -> None:
        n = len(self.gamma)
        if Z.ndim not in self.axes or len(Z) != n:
            expected = " or ".join(SHAPES[axes].format(n=n) for axes in self.axes)
            raise InputError(
                f"{type(self).__name__}({self.extra_repr()}) got Z of shape {tuple(Z.shape)}, expected {expected}: "
                "units or channels first, examples last"
            )
        if Z.numel() == 0:
            raise InputError(
                f"{type(self).__name__}({self.extra_repr()}) got Z of shape {tuple(Z.shape)}, in which there is "
                "nothing: expected one or more of every axis"
            )

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"n={len(self.gamma)}"


class BatchNorm(Norm):
    r"""Batch norm, whatever the axes: statistics of each unit over all of the others.

    gamma is the same for the K numbers of a mean, and the means are those of dgamma and dbeta but for their 1/m:

    $$dZ = \gamma r \Big(d\tilde Z - \frac mK\,(d\beta + Z_{norm} * d\gamma)\Big).$$

    **In use**, after `eval()`, mu and sigma^2 are the running ones: constants on which no z acts, so that
    $dZ = \gamma r\, d\tilde Z$. In training every batch moves them a tenth of the way to its own mean and variance,
    the variance with K - 1 for K: on average that of all numbers, of which the batch has K.

    b[l] below has no effect here, and db[l] = 0: mu takes it away again.
    """

    twin_names: ClassVar[dict[str, str]] = {"gamma": "weight", "beta": "bias"}
    running_mean: Tensor
    running_var: Tensor
    Z: Tensor
    mu: Tensor
    r: Tensor
    of_batch: bool

    def __init__(self, n: int, epsilon: float = 1e-5) -> None:
        super().__init__(n, epsilon)
        self.beta = parameter(torch.zeros(n, 1))
        self.register_buffer("running_mean", torch.zeros(n, 1))
        self.register_buffer("running_var", torch.ones(n, 1))

    def forward(self, Z: Float[Tensor, "..."]) -> Float[Tensor, "n *T m"]:
        """Z_tilde = gamma * Z_norm + beta; in training the running statistics follow."""
        self._check(Z)
        others, K = _others(Z), Z[0].numel()
        if self.training and K == 1:
            raise InputError(
                f"{type(self).__name__} got one number per unit to train on, Z of shape {tuple(Z.shape)}: one has no "
                "spread; train on two examples or more, or call eval(), which uses the running statistics"
            )
        mu = Z.mean(dim=others, keepdim=True) if self.training else _like(self.running_mean, Z)
        sigma2 = torch.zeros_like(mu) if self.training else _like(self.running_var, Z)
        Z_tilde = torch.empty_like(Z)
        for out, z in _blocks(Z_tilde, Z):
            # Where Z_tilde will stand, Z - mu.
            torch.sub(z, mu, out=out)
            if self.training:
                sigma2 += out.square().sum(dim=others, keepdim=True) / K
        if self.training:
            self.running_mean.lerp_(mu.flatten(1), MOMENTUM)
            self.running_var.lerp_(sigma2.flatten(1) * (K / (K - 1)), MOMENTUM)
        self.Z, self.mu, self.r, self.of_batch = Z, mu, torch.rsqrt(sigma2 + self.epsilon), self.training
        stretch, beta = _like(self.gamma, Z) * self.r, _like(self.beta, Z)
        for (out,) in _blocks(Z_tilde):
            out.mul_(stretch).add_(beta)
        return Z_tilde

    def gradients(self, dZ_tilde: Float[Tensor, "n *T m"]) -> None:
        """dgamma and dbeta, on the way to dZ: a norm that begins a network is rare."""
        self.backward(dZ_tilde)

    def backward(self, dZ_tilde: Float[Tensor, "n *T m"]) -> Float[Tensor, "n *T m"]:
        """dZ = gamma r (dZ_tilde - m/K (dbeta + Z_norm * dgamma)), in use gamma r dZ_tilde; and the gradients."""
        m, others, mu = dZ_tilde.shape[-1], _others(dZ_tilde), self.mu
        dZ, dgamma, dbeta = torch.empty_like(self.Z), torch.zeros_like(self.r), torch.zeros_like(self.r)
        for out, z, d in _blocks(dZ, self.Z, dZ_tilde):
            dgamma += torch.sub(z, mu, out=out).mul_(d).sum(dim=others, keepdim=True)
            dbeta += d.sum(dim=others, keepdim=True)
        dgamma, dbeta = dgamma * self.r / m, dbeta / m
        self.gamma.grad, self.beta.grad = dgamma.flatten(1), dbeta.flatten(1)
        stretch = _like(self.gamma, dZ_tilde) * self.r
        if not self.of_batch:
            return torch.mul(dZ_tilde, stretch, out=dZ)
        m_over_K = len(dZ) * m / dZ.numel()
        slope, shift = stretch * self.r * dgamma * m_over_K, stretch * dbeta * m_over_K
        for out, z, d in _blocks(dZ, self.Z, dZ_tilde):
            torch.sub(mu, z, out=out).mul_(slope).sub_(shift).addcmul_(d, stretch)
        return dZ

    def _fill(self, twin: Stock) -> Stock:
        """The stock module, made on "meta", with our parameters and running statistics."""
        for name in ("running_mean", "running_var"):
            twin.register_buffer(name, self.get_buffer(name).flatten().clone())
        twin.register_buffer("num_batches_tracked", torch.zeros_like(self.gamma[0, 0], dtype=torch.long))
        return _with_parameters(twin, self)


class BatchNorm1d(BatchNorm):
    """Batch norm of vectors (n, m), each unit over the m examples, and of sequences (n, T, m).

    Raises `InputError` for another shape, and for one number per unit in training.

    >>> norm = BatchNorm1d(2)
    >>> norm(torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    tensor([[-1.2247,  0.0000,  1.2247],
            [-1.2247,  0.0000,  1.2247]])
    >>> norm.running_mean.T, norm.running_var.T
    (tensor([[0.2000, 2.0000]]), tensor([[ 1.0000, 10.9000]]))
    """

    def twin(self) -> nn.BatchNorm1d:
        """`nn.BatchNorm1d` with the same running statistics."""
        return self._fill(nn.BatchNorm1d(len(self.gamma), self.epsilon, MOMENTUM, device="meta"))


class BatchNorm2d(BatchNorm):
    """Batch norm of images (n_C, H, W, m), each channel over pixels and examples.

    Raises `InputError` for another shape, and for one number per channel in training.

    >>> BatchNorm2d(3)(torch.randn(3, 5, 4, 2)).shape
    torch.Size([3, 5, 4, 2])
    """

    axes: ClassVar[tuple[int, ...]] = (4,)

    def twin(self) -> nn.BatchNorm2d:
        """`nn.BatchNorm2d` with the same running statistics."""
        return self._fill(nn.BatchNorm2d(len(self.gamma), self.epsilon, MOMENTUM, device="meta"))


class LayerNorm(Norm):
    r"""Layer norm over the n units of an example (n, m), or of one step of it (n, T, m); alike in training and in use.

    gamma differs among the K = n numbers of a mean, and stays inside:

    $$dZ_{norm} = \gamma * d\tilde Z, \qquad
      dZ = r\,\big(dZ_{norm} - \operatorname{mean}(dZ_{norm})
        - Z_{norm} * \operatorname{mean}(dZ_{norm} * Z_{norm})\big),$$

    both means over axis 0. Raises `InputError` for another shape.

    >>> LayerNorm(3)(torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])).T
    tensor([[-1.2247,  0.0000,  1.2247],
            [-1.2247,  0.0000,  1.2247]])
    """

    twin_names: ClassVar[dict[str, str]] = {"gamma": "part.weight", "beta": "part.bias"}
    Z: Tensor
    mu: Tensor
    r: Tensor

    def __init__(self, n: int, epsilon: float = 1e-5) -> None:
        super().__init__(n, epsilon)
        self.beta = parameter(torch.zeros(n, 1))

    def forward(self, Z: Float[Tensor, "..."]) -> Float[Tensor, "n *T m"]:
        """Z_tilde = gamma * Z_norm + beta."""
        self._check(Z)
        gamma, beta = self.gamma.flatten(), self.beta.flatten()
        Z_tilde, mu, r = torch.native_layer_norm(_steps(Z).T, gamma.shape, gamma, beta, self.epsilon)
        self.Z, self.mu, self.r = Z, mu.flatten(), r.flatten()
        return _from_steps(Z_tilde.T, Z.shape)

    def gradients(self, dZ_tilde: Float[Tensor, "n *T m"]) -> None:
        """dgamma and dbeta, on the way to dZ: a norm that begins a network is rare."""
        self.backward(dZ_tilde)

    def backward(self, dZ_tilde: Float[Tensor, "n *T m"]) -> Float[Tensor, "n *T m"]:
        """dZ = r (dZ_norm - mean(dZ_norm) - Z_norm * mean(dZ_norm * Z_norm)), and the gradients."""
        n, m, gamma, Z = len(dZ_tilde), dZ_tilde.shape[-1], self.gamma, _steps(self.Z)
        dZ, dgamma, dbeta = torch.empty_like(Z), torch.zeros_like(gamma), torch.zeros_like(gamma)
        for out, z, d, mu, r in _blocks(dZ, Z, _steps(dZ_tilde), self.mu, self.r):
            # Where dZ will stand, dZ_tilde * Z_norm; of which gamma^T makes the sums over dZ_norm * Z_norm.
            torch.sub(z, mu, out=out).mul_(r).mul_(d)
            dgamma += out.sum(dim=1, keepdim=True)
            dbeta += d.sum(dim=1, keepdim=True)
            slope, mean = gamma.flatten() @ out / n, gamma.flatten() @ d / n
            torch.sub(z, mu, out=out).mul_(-r * slope).sub_(mean).addcmul_(d, gamma).mul_(r)
        self.gamma.grad, self.beta.grad = dgamma / m, dbeta / m
        return _from_steps(dZ, dZ_tilde.shape)

    def twin(self) -> nn.Module:
        """`nn.LayerNorm`, with the features moved to the last axis."""
        return FeaturesLast(_with_parameters(nn.LayerNorm(len(self.gamma), self.epsilon, device="meta"), self))


class RMSNorm(Norm):
    r"""Root-mean-square norm: `LayerNorm` without mu and beta, Z_tilde = gamma * Z_norm with Z_norm = r Z.

    With $r = 1/\sqrt{\operatorname{mean}(Z^2) + \epsilon}$ each z_k acts through its own z_norm and through r, and what
    came through mu is gone:

    $$dZ = r\,\big(dZ_{norm} - Z_{norm} * \operatorname{mean}(dZ_{norm} * Z_{norm})\big).$$

    Raises `InputError` for another shape than (n, m) or (n, T, m).

    >>> RMSNorm(2)(torch.tensor([[3.0], [-4.0]])).T
    tensor([[ 0.8485, -1.1314]])
    """

    twin_names: ClassVar[dict[str, str]] = {"gamma": "part.weight"}
    Z: Tensor
    statistics: list[Tensor]

    def __init__(self, n: int, epsilon: float = 1e-5) -> None:
        super().__init__(n, epsilon)

    def forward(self, Z: Float[Tensor, "..."]) -> Float[Tensor, "n *T m"]:
        """Z_tilde = gamma * Z_norm."""
        self._check(Z)
        gamma = _like(self.gamma, Z)
        self.Z, self.statistics = Z, []
        Z_tilde = torch.empty_like(Z)
        for out, z in _blocks(Z_tilde, Z):
            r = torch.rsqrt(z.square().mean(dim=0) + self.epsilon)
            torch.mul(z, r, out=out).mul_(gamma)
            self.statistics.append(r)
        return Z_tilde

    def gradients(self, dZ_tilde: Float[Tensor, "n *T m"]) -> None:
        """dgamma, on the way to dZ: a norm that begins a network is rare."""
        self.backward(dZ_tilde)

    def backward(self, dZ_tilde: Float[Tensor, "n *T m"]) -> Float[Tensor, "n *T m"]:
        """dZ = r (dZ_norm - Z_norm * mean(dZ_norm * Z_norm)), and dgamma = 1/m sum of dZ_tilde * Z_norm."""
        m, others, gamma = dZ_tilde.shape[-1], _others(dZ_tilde), _like(self.gamma, dZ_tilde)
        dZ, dgamma = torch.empty_like(self.Z), torch.zeros_like(gamma)
        for r, (out, z, d) in zip(self.statistics, _blocks(dZ, self.Z, dZ_tilde), strict=True):
            Z_norm = z * r
            torch.mul(d, Z_norm, out=out)
            dgamma += out.sum(dim=others, keepdim=True)
            slope = out.mul_(gamma).mean(dim=0)
            torch.mul(d, gamma, out=out).addcmul_(Z_norm, slope, value=-1).mul_(r)
        self.gamma.grad = (dgamma / m).flatten(1)
        return dZ

    def twin(self) -> nn.Module:
        """`nn.RMSNorm`, with the features moved to the last axis."""
        return FeaturesLast(_with_parameters(nn.RMSNorm(len(self.gamma), self.epsilon, device="meta"), self))


class GroupNorm(Norm):
    r"""Group norm: the channels in `groups` of equally many, each normalised over its pixels, by the example.

    With one group it is layer norm over all that an example has, with n_C groups instance norm. In each group

    $$dZ_{norm} = \gamma * d\tilde Z, \qquad
      dZ = r\,\big(dZ_{norm} - \operatorname{mean}(dZ_{norm})
        - Z_{norm} * \operatorname{mean}(dZ_{norm} * Z_{norm})\big),$$

    and gamma, constant over the pixels, comes after the sums over them:
    $\sum dZ_{norm} * Z_{norm} = \sum_c \gamma_c \sum_{h,w} d\tilde Z * Z_{norm}$, as for dgamma.

    Raises `InputError` for `groups` that do not divide n_C, and for another shape.

    >>> GroupNorm(2, 4)(torch.tensor([[1.0], [3.0], [10.0], [30.0]])).T
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """

    axes: ClassVar[tuple[int, ...]] = (2, 3, 4)
    twin_names: ClassVar[dict[str, str]] = {"gamma": "weight", "beta": "bias"}
    Z: Tensor
    mu: Tensor
    r: Tensor

    def __init__(self, groups: int, n_C: int, epsilon: float = 1e-5) -> None:
        if groups < 1 or n_C % groups:
            raise InputError(f"GroupNorm got {groups} groups for {n_C} channels, expected a divisor of {n_C}")
        super().__init__(n_C, epsilon)
        self.beta = parameter(torch.zeros(n_C, 1))
        self.groups = groups

    def forward(self, Z: Float[Tensor, "..."]) -> Float[Tensor, "n_C *H m"]:
        """Z_tilde = gamma * Z_norm + beta."""
        self._check(Z)
        m, images = Z.shape[-1], examples_first(Z)
        if not images.is_contiguous(memory_format=torch.channels_last):
            images = images.contiguous()
        sizes = m, len(Z), Z[..., 0].numel() // len(Z), self.groups
        gamma, beta = self.gamma.flatten(), self.beta.flatten()
        Z_tilde, mu, r = torch.native_group_norm(images, gamma, beta, *sizes, self.epsilon)
        self.Z, self.mu, self.r = Z, mu, r
        return examples_last(Z_tilde)

    def gradients(self, dZ_tilde: Float[Tensor, "n_C *H m"]) -> None:
        """dgamma and dbeta, on the way to dZ: a norm that begins a network is rare."""
        self.backward(dZ_tilde)

    def backward(self, dZ_tilde: Float[Tensor, "n_C *H m"]) -> Float[Tensor, "n_C *H m"]:
        """dZ = r (dZ_norm - mean(dZ_norm) - Z_norm * mean(dZ_norm * Z_norm)), and the gradients."""
        m, dZ, ones = dZ_tilde.shape[-1], torch.empty_like(self.Z), (1,) * dZ_tilde.ndim
        # (n_C, H, W, m) -> (groups, n_C / groups, 1, H, W, m); vectors, too, have pixels then.
        grouped = [values.unflatten(0, (self.groups, -1)).unsqueeze(2) for values in (dZ, self.Z, dZ_tilde)]
        statistics = [values.T.view(self.groups, *ones, m) for values in (self.mu, self.r)]
        gamma, pixels = self.gamma.view(self.groups, -1, *ones), tuple(range(2, len(ones) + 1))
        K = dZ[..., 0].numel() // self.groups
        dgamma, dbeta = torch.zeros_like(gamma), torch.zeros_like(gamma)
        for out, z, d, mu, r in _blocks(*grouped, *statistics):
            # Of each channel the sums over its pixels of dZ_tilde * Z_norm, which is r (Z - mu), and of dZ_tilde.
            products = r * torch.sub(z, mu, out=out).mul_(d).sum(dim=pixels, keepdim=True)
            sums = d.sum(dim=pixels, keepdim=True)
            dgamma += products.sum(dim=-1, keepdim=True)
            dbeta += sums.sum(dim=-1, keepdim=True)
            slope, mean = ((gamma * by).sum(dim=1, keepdim=True) / K for by in (products, sums))
            torch.sub(z, mu, out=out).mul_(-r * r * slope).sub_(r * mean).addcmul_(d, gamma * r)
        self.gamma.grad, self.beta.grad = dgamma.view_as(self.gamma) / m, dbeta.view_as(self.beta) / m
        return dZ

    def twin(self) -> nn.GroupNorm:
        """`nn.GroupNorm`."""
        return _with_parameters(nn.GroupNorm(self.groups, len(self.gamma), self.epsilon, device="meta"), self)

    def extra_repr(self) -> str:
        """The sizes, as `print(network)` shows them."""
        return f"groups={self.groups}, n_C={len(self.gamma)}"


def _others(Z: Tensor) -> tuple[int, ...]:
    """All axes but that of the units."""
    return tuple(range(1, Z.ndim))


def _like(values: Tensor, Z: Tensor) -> Tensor:
    """(n, 1) with as many axes as Z has."""
    return values.view(-1, *(1,) * (Z.ndim - 1))


def _steps(Z: Tensor) -> Tensor:
    """(n, T, m) -> (n, m T): the steps as further examples, each of which lies together in memory."""
    return Z.permute(*reversed(range(Z.ndim))).flatten(0, -2).T


def _from_steps(Z: Tensor, shape: torch.Size) -> Tensor:
    """(n, m T) -> (n, T, m)."""
    return Z.T.reshape(shape[::-1]).permute(*reversed(range(len(shape))))


def _blocks(*arrays: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Some examples of each array at a time, or all where examples do not lie one after another."""
    first = arrays[0]
    examples = first.shape[-1]
    if first.stride(-1) == max(first.stride()):
        examples = max(1, BLOCK // first[..., 0].numel())
    yield from zip(*(array.split(examples, dim=-1) for array in arrays), strict=True)


def _with_parameters(twin: Stock, layer: Norm) -> Stock:
    """The stock module, made on "meta", with the layer's parameters."""
    names = {"gamma": "weight", "beta": "bias"}
    for name, ours in layer.named_parameters():
        setattr(twin, names[name], nn.Parameter(ours.detach().flatten().clone()))
    return twin
