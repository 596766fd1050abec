"""The networks of the "Neural Networks and Deep Learning" notes, hand-derived beside `torch.nn`.

Every model is written twice: a hand-derived module with its own dZ, dW and db, and the equivalent `torch.nn` module,
its *twin*. The two are proven equal to autograd, to rounding. Start at `torchbasics.notation`, which is the one page
of conventions; then `torchbasics.logistic` spells out chapter 1, and `torchbasics.layers`, `torchbasics.losses` and
`torchbasics.network` generalise it to any depth. `torchbasics.check` says of a derivation of your own whether it is
right, where it first goes wrong, and why.
"""

import importlib
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`torchbasics.check`, imported at its first use."""
    if name == "check":
        return importlib.import_module("torchbasics.check")
    raise AttributeError(f"module 'torchbasics' has no attribute {name!r}")
