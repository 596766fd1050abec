"""The cross-entropy of one class out of n_y, straight from Z."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.layers.softmax import over_outputs
from torchbasics.losses.base import Loss, PerExample, one_of


class SoftmaxCrossEntropy(Loss):
    r"""The output's softmax and the cross-entropy in one: J straight from Z[L], and dZ[L] = A[L] - Y.

    Z is (n_y, m) and Y (1, m) holds the number 0 ... n_y - 1 of each example's class, as the floats that all labels
    are; or (n_y, T, m) and (1, T, m), a class at every time step. With q the labels as one column per example, 1 for
    the class and 0 elsewhere, and $a = \mathrm{softmax}(z)$:

    $$\mathcal L = -\sum_k q_k \log a_k, \qquad \log a_k = z_k - \log\sum_l e^{z_l}, \qquad
      \frac{\partial \log a_k}{\partial z_j} = \delta_{kj} - a_j,$$
    $$dz_j = -\sum_k q_k\,(\delta_{kj} - a_j) = a_j \sum_k q_k - q_j = a_j - q_j .$$

    The largest z of a column is subtracted before any exponential, so that J is right at any z: a wrong class that is
    1000 ahead costs 1000. Digits are those of `nn.CrossEntropyLoss`: a loss is right to rounding of 1, and 0 below it.

    `label_smoothing` = eps asks for a little of every class, $q = (1 - \varepsilon)$ one-hot $+\ \varepsilon / n_y$.
    Where Y is `ignore_index`, as padding after the end of a text is, there is no loss, and dZ = 0.

    J is 1/m times the sum of everything else: an example's loss is the sum over its time steps, ignored ones being 0.
    `nn.CrossEntropyLoss` by default divides by the number of labels that are not ignored instead: with T steps its
    mean is T times smaller, and a short text weighs as much as its length; here every label weighs 1/m.

    Source: Improving Deep Neural Networks, week 3, "Training a softmax classifier"; Szegedy et al., "Rethinking the
    Inception Architecture for Computer Vision", for label smoothing.

    >>> loss = SoftmaxCrossEntropy()
    >>> loss(torch.tensor([[0.0, 1000.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    tensor(500.3466)
    >>> loss.backward()
    tensor([[ 0.5000,  1.0000],
            [-0.5000, -1.0000]])
    """

    log_A: Tensor
    classes: Tensor
    ignored: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, ignore_index: int = -100) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise InputError(
                f"SoftmaxCrossEntropy got label_smoothing {label_smoothing}, expected 0 <= label_smoothing < 1: "
                "the share that is spread over all classes (0.1 is usual, and 0 none)"
            )
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index

    def forward(self, Z: Float[Tensor, "..."], Y: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """J = -1/m sum over k of q_k log softmax(Z)_k."""
        self.classes, self.ignored = self._read(Z, Y)
        m, eps = Y.shape[-1], self.label_smoothing
        self.log_A = over_outputs(torch.log_softmax, Z)
        losses = -self.log_A.gather(0, self.classes)
        if eps:
            losses = (1 - eps) * losses - eps * self.log_A.mean(dim=0, keepdim=True)
        if self.ignored is not None:
            losses = losses.masked_fill(self.ignored, 0)
        return losses.sum() / m

    def backward(self) -> Float[Tensor, "n_y *T m"]:
        """dZ = A - Q: A less eps / n_y everywhere, and less 1 - eps in the class."""
        n_y, eps = len(self.log_A), self.label_smoothing
        dZ = torch.exp(self.log_A)
        if eps:
            dZ.sub_(eps / n_y)
        dZ.scatter_(0, self.classes, dZ.gather(0, self.classes) - (1 - eps))
        return dZ if self.ignored is None else dZ.mul_((~self.ignored).to(dZ.dtype))

    def output(self, Z: Float[Tensor, "n_y *T m"]) -> Float[Tensor, "n_y *T m"]:
        """A[L] = softmax(Z[L])."""
        return over_outputs(torch.softmax, Z)

    def output_twin(self) -> nn.Softmax:
        """`nn.Softmax` over its second axis."""
        return nn.Softmax(dim=1)

    def twin(self) -> nn.Module:
        """`nn.CrossEntropyLoss`, averaged over the examples."""
        stock = nn.CrossEntropyLoss(
            reduction="sum", label_smoothing=self.label_smoothing, ignore_index=self.ignore_index
        )
        return PerExample(ClassNumbers(stock))

    def extra_repr(self) -> str:
        """The settings, as `print(network)` shows them."""
        return f"label_smoothing={self.label_smoothing}, ignore_index={self.ignore_index}"

    def _read(self, Z: Tensor, Y: Tensor) -> tuple[Tensor, Tensor | None]:
        """The labels as whole numbers, 0 where ignored; and where that is, or None if nowhere."""
        n_y = Z.shape[0] if Z.ndim else 0
        if Z.ndim < 2 or Y.shape != (1, *Z.shape[1:]):
            raise InputError(
                f"SoftmaxCrossEntropy got labels Y of shape {tuple(Y.shape)} for Z of shape {tuple(Z.shape)}, expected "
                f"{(1, *Z.shape[1:])}, the number of each column's class: of one-hot columns Y.argmax(0, keepdim=True)"
            )
        classes = Y.long()
        ignored = Y.eq(self.ignore_index)
        wrong = ((classes < 0) | (classes >= n_y) | (classes != Y)) & ~ignored
        if wrong.any():
            raise InputError(
                f"SoftmaxCrossEntropy got the label {one_of(wrong, Y)}, expected whole numbers 0 to {n_y - 1}, or "
                f"{self.ignore_index} for one that is not to count; classes are numbered from 0"
            )
        return (classes.masked_fill_(ignored, 0), ignored) if ignored.any() else (classes, None)


class ClassNumbers(nn.Module):
    """A stock loss that takes the classes as whole numbers without an axis of outputs, (m, *T)."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, Z: Float[Tensor, "m n_y *T"], Y: Float[Tensor, "m 1 *T"]) -> Float[Tensor, ""]:
        """What the stock loss gives."""
        summed: Tensor = self.loss(Z, Y.squeeze(1).long())
        return summed
