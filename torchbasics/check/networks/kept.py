"""What a check leaves as it was: the network's values, gradients, caches and modes, and everyone's random states."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from torchbasics.check.program.undisturbed import undisturbed


@contextlib.contextmanager
def kept(*modules: nn.Module) -> Iterator[None]:
    """Within, no parameter has a `.grad` from before; afterwards each module is as it was, its running statistics too.

    What a module keeps from its last sweep is put back as well, so that a `backward` can still follow.
    """
    parts = {id(part): part for module in modules for part in module.modules()}.values()
    before = [_Part(part) for part in parts]
    gradients = {id(at): (at, at.grad, at.requires_grad) for module in modules for at in module.parameters()}.values()
    for parameter, _, _ in gradients:
        parameter.grad = None
    try:
        with undisturbed():
            yield
    finally:
        for part in before:
            part.restore()
        for parameter, gradient, requires_grad in gradients:
            parameter.grad = gradient
            parameter.requires_grad_(requires_grad)


class _Part:
    """The attributes of one module, with what their dictionaries and lists hold, and the numbers in their tensors."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.attributes = dict(vars(module))
        self.containers = [
            (value, value.copy()) for value in self.attributes.values() if isinstance(value, dict | list)
        ]
        held: list[Any] = [*self.attributes.values(), *module._parameters.values(), *module._buffers.values()]
        # One on "meta" has no numbers.
        tensors = [value for value in held if isinstance(value, Tensor) and not value.is_meta]
        self.tensors = [(value, value.detach().clone()) for value in tensors]

    def restore(self) -> None:
        """Put back what has changed."""
        vars(self.module).clear()
        vars(self.module).update(self.attributes)
        for container, contents in self.containers:
            container.clear()
            if isinstance(container, dict):
                container.update(contents)
            else:
                container.extend(contents)
        for tensor, values in self.tensors:
            if tensor.shape != values.shape:
                tensor.data = values
            elif not tensor.equal(values):
                tensor.data.copy_(values)
