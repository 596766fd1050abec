"""Gradient descent by hand. Every other optimizer is `torch.optim`'s, and drives either engine through `.grad`."""

import torch
from torch.optim.optimizer import ParamsT

from torchbasics.errors import InputError


class GradientDescent(torch.optim.Optimizer):
    r"""$W := W - \alpha\,dW$, $b := b - \alpha\,db$.

    A `torch.optim.Optimizer`, so that groups of parameters, `torch.optim.lr_scheduler` and `state_dict` work; its twin
    is `torch.optim.SGD`.

    Raises `InputError` for a learning rate that is not a positive number. Source: week 2, "Gradient descent".

    >>> W = torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False)
    >>> W.grad = torch.tensor([0.5])
    >>> GradientDescent([W], learning_rate=2.0).step()
    >>> W.data
    tensor([2.])
    """

    def __init__(self, parameters: ParamsT, learning_rate: float) -> None:
        if not 0 < learning_rate < float("inf"):
            raise InputError(f"learning rate {learning_rate}: expected a positive number, such as 0.0075")
        # torch's schedulers look for the learning rate under the name "lr".
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure: the gradients are already there
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=group["lr"])
