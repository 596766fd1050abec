"""A check in the user's own process leaves what it finds: random states, the search path, torch's modes, warnings."""

import contextlib
import random
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put everything back at the end; in between, what NumPy warns of in the user's code stays unsaid.

    A log(0) comes out as the NaN that the report tells of.
    """
    numpy_state, python_state, torch_state = np.random.get_state(), random.getstate(), torch.get_rng_state()
    path, dtype = list(sys.path), torch.get_default_dtype()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), torch.enable_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        torch.set_rng_state(torch_state)
        sys.path[:] = path
        torch.set_default_dtype(dtype)
