r"""The notes' symbols, shapes and the 1/m rule: the one page that everything else follows.

**Symbols.** $m$ examples; $n^{[l]}$ units in layer $l$ of $L$, $n_x = n^{[0]}$ inputs; $X = A^{[0]}$ the inputs, $Y$
the labels, $\hat Y = A^{[L]}$ the predictions.

| symbol | shape | meaning |
|---|---|---|
| X, A0 | (n_x, m) | inputs, one example per column |
| Y | (n_y, m) | labels, 1 = cat and 0 = non-cat |
| Wl | (n[l], n[l-1]) | weights; exactly `nn.Linear.weight` |
| bl | (n[l], 1) | biases, added to every column |
| Zl | (n[l], m) | Zl = Wl A(l-1) + bl |
| Al | (n[l], m) | Al = g(Zl) |
| J | () | cost: the mean over the examples of the losses L(yhat, y) |

**Examples are the last axis**, everywhere: images are (C, H, W, m) and sequences (n_x, T, m). `torch.nn` wants them
first; `examples_first` and `examples_last` move the axis without copying.

**The 1/m rule.** $dZ$ and $dA$ are derivatives of the *sum of the losses*, $m\,\partial J/\partial Z$ and
$m\,\partial J/\partial A$; $dW$ and $db$ are the gradients of the cost $J$ itself, with the $1/m$ in them:

$$dW^{[l]} = \frac1m\, dZ^{[l]} A^{[l-1]T}, \qquad db^{[l]} = \frac1m \sum_{i=1}^{m} dZ^{[l](i)}.$$

So autograd's $\partial J/\partial Z$ times $m$ is the notes' $dZ$ (`dZ_from_autograd`), and autograd's
$\partial J/\partial W$ *is* the notes' $dW$.

**At a kink** the layers follow torch, ReLU'(0) = 0 and LeakyReLU'(0) = slope, where the notes write g'(0) = 1. Either
is a subgradient; the docstrings of `torchbasics.layers.activation` say which is used.

Source: Neural Networks and Deep Learning, weeks 2 to 4, "Deep Learning notation".
"""

from jaxtyping import Float
from torch import Tensor


def examples_first(A: Float[Tensor, "*n m"]) -> Float[Tensor, "m *n"]:
    """(n, m) -> (m, n), (C, H, W, m) -> (m, C, H, W): the layout of `torch.nn`. A view; nothing is copied."""
    return A.movedim(-1, 0)


def examples_last(A: Float[Tensor, "m *n"]) -> Float[Tensor, "*n m"]:
    """(m, n) -> (n, m), (m, C, H, W) -> (C, H, W, m): the layout of the notes. A view; nothing is copied."""
    return A.movedim(0, -1)


def dZ_from_autograd(gradient: Float[Tensor, "*n m"]) -> Float[Tensor, "*n m"]:
    """Autograd's dJ/dZ (or dJ/dA) in the notes' scale: dZ = m dJ/dZ, the derivative of the sum of the losses."""
    return gradient * gradient.shape[-1]
