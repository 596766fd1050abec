r"""Costs: the mean over the m examples of the losses, and where the backward sweep starts.

Legend: n_y outputs (1 in the notes), m examples; $\hat Y = A^{[L]}$ (n_y, m), Y (n_y, m), J ().

$$J = \frac1m \sum_{i=1}^m \mathcal L(\hat y^{(i)}, y^{(i)}), \qquad
  dA^{[L]} = \frac{\partial}{\partial A^{[L]}} \sum_i \mathcal L^{(i)} = m\,\frac{\partial J}{\partial A^{[L]}}$$

With more than one output an example's loss is the sum over its outputs, and with T time steps, (n_y, T, m), the sum
over those as well. So stock losses with `reduction="mean"`, which divide by every axis, are n_y or T times smaller.

| loss | takes | labels Y | predictions |
|---|---|---|---|
| squared error, Huber | A, any numbers | (n_y, m), any numbers | A |
| binary cross-entropy | A, probabilities | (n_y, m), 0 or 1 | A |
| sigmoid cross-entropy | Z | (n_y, m), 0 or 1 | sigmoid(Z) |
| hinge | Z | (n_y, m), 0 or 1 | sigmoid(Z), in order only |
| softmax cross-entropy | Z | (1, m), the number of the class | softmax(Z) |
| KL divergence | A, log-probabilities | (n_y, m), probabilities | exp(A) |

Source: Neural Networks and Deep Learning, week 2, "Logistic regression cost function", and week 3, "Gradient descent
for neural networks".
"""

# No __all__: with one, pdoc would leave out the files themselves, whose heads hold the mathematics.
from torchbasics.losses.base import Loss as Loss
from torchbasics.losses.base import PerExample as PerExample
from torchbasics.losses.binary import BinaryCrossEntropy as BinaryCrossEntropy
from torchbasics.losses.binary import SigmoidCrossEntropy as SigmoidCrossEntropy
from torchbasics.losses.divergence import KLDivergence as KLDivergence
from torchbasics.losses.hinge import Hinge as Hinge
from torchbasics.losses.regression import Huber as Huber
from torchbasics.losses.regression import SquaredError as SquaredError
from torchbasics.losses.softmax import SoftmaxCrossEntropy as SoftmaxCrossEntropy
