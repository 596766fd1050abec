"""Sequences: a generated task whose answer is known, and a text that comes with Python.

Legend: n_x inputs at each of T steps, m sequences. Memory lies examples-first, (m, T, n_x), as a file would have it.
"""

import ast
import codecs
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from torchbasics.data.base import Data, Split
from torchbasics.data.split import stratified

M = 1000
STEPS = 12
WINDOW = 24


def match(dtype: torch.dtype, seed: int) -> Data:
    r"""1,000 + 1,000 sequences of T = 12 signs, x<t> = +1 or -1: do the first and the last agree? Y = x<1> x<T> > 0.

    The answer is known, so that every sequence can be got right; but the first sign has to be remembered through all
    the others, which say nothing, and no weighted sum of the inputs tells the two classes apart (it is an XOR).
    """
    random = np.random.default_rng(seed)
    X = random.choice([-1.0, 1.0], size=(2 * M, STEPS, 1))
    agree = (X[:, 0, 0] * X[:, -1, 0] > 0).astype(np.int64)
    train, test = stratified("match", agree, 0.5, seed)

    def split(chosen: np.ndarray) -> Split:
        x = torch.tensor(X[chosen], dtype=dtype).permute(2, 1, 0)
        return Split(x, torch.tensor(agree[chosen], dtype=dtype)[None])

    return Data("match", split(train), split(test), ("differ", "agree"), image=None, pixel_scale=1.0)


def zen(dtype: torch.dtype, seed: int) -> Data:
    """The Zen of Python, letter by letter: which letter comes next? X (T, m) are the tokens of windows of T = 24.

    Tokens number the letters in the order of their codes. Y (1, T, m) is the same window one letter on. The windows
    that begin in the last fifth of the text are the test set, whatever the seed, and share no letter with the others.

    Source: Tim Peters, PEP 20, as the module `this` holds it.
    """
    text = _zen()
    letters = sorted(set(text))
    tokens = torch.tensor([letters.index(letter) for letter in text], dtype=dtype)
    cut = len(text) * 4 // 5

    def split(part: torch.Tensor) -> Split:
        windows = part.unfold(0, WINDOW + 1, 1)
        return Split(windows[:, :-1].T, windows[:, 1:].T[None])

    return Data(
        name="zen",
        train=split(tokens[:cut]),
        test=split(tokens[cut:]),
        classes=tuple(letters),
        image=None,
        pixel_scale=1.0,
        tokens=len(letters),
    )


def _zen() -> str:
    # Importing the module would print it.
    spec = find_spec("this")
    assert spec is not None
    assert spec.origin is not None
    assigned = [node for node in ast.parse(Path(spec.origin).read_text()).body if isinstance(node, ast.Assign)]
    constants = (node.value.value for node in assigned if isinstance(node.value, ast.Constant))
    ciphered = next(value for value in constants if isinstance(value, str))
    return codecs.decode(ciphered, "rot13")


SEQUENCES: dict[str, Callable[[torch.dtype, int], Data]] = {"match": match, "zen": zen}
