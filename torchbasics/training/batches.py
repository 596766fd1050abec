"""Which examples each update sees: all of them, or mini-batches that pass through the set in a fresh random order."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from torchbasics.data.base import Split
from torchbasics.notation import examples_first, examples_last


class Batches:
    """An endless sequence of (X, Y), each of m_batch examples, that can be saved and continued.

    With a batch size, each pass visits every example once in a random order, the last batch being the remainder.
    Source: course 2, week 2, "Mini-batch gradient descent".
    """

    def __init__(self, split: Split, batch_size: int | None, seed: int) -> None:
        self.split = split
        self.size = min(batch_size or split.m, split.m)
        # The order is drawn on the CPU, so that every device sees the same batches.
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)

    def next(self) -> tuple[Float[Tensor, "*n_x m_batch"], Float[Tensor, "1 *T m_batch"]]:
        """The next batch."""
        X, Y = self.split.X, self.split.Y
        if self.size == self.split.m:
            return X, Y
        if not len(self.order):
            self.order = torch.randperm(self.split.m, generator=self.generator)
        batch, self.order = self.order[: self.size].to(X.device), self.order[self.size :]
        # Memory lies examples-first: whole rows are copied, and X stays a view with the examples last.
        return examples_last(examples_first(X)[batch]), examples_last(examples_first(Y)[batch])

    def state(self) -> dict[str, Any]:
        """What is needed to go on with the very next batch: the generator and what is left of this pass."""
        return {"generator": self.generator.get_state(), "order": self.order.clone()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        self.generator.set_state(saved["generator"])
        self.order = saved["order"]
