"""A random split that keeps the share of each class."""

import numpy as np
from jaxtyping import Bool, Int
from sklearn.model_selection import train_test_split

from torchbasics.errors import InputError


def stratified(
    name: str, labels: Int[np.ndarray, " m"] | Bool[np.ndarray, " m"], held_out: float | int, seed: int
) -> tuple[Int[np.ndarray, " m_train"], Int[np.ndarray, " m_test"]]:
    """Indices of a training and a held-out part, both shuffled, each with about the same share of every label.

    `held_out` is a share (float) or a number (int) of examples. `name` is what the error calls the data. The same
    labels and seed give the same split. Raises `InputError` when a class is too small to be in both parts.
    """
    try:
        train, test = train_test_split(np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=seed)
    except ValueError:
        counted = zip(*np.unique(labels, return_counts=True), strict=True)
        counts = ", ".join(f"{count} with label {int(label)}" for label, count in counted)
        raise InputError(
            f"{name}: {counts} cannot be split so that both parts have every label (held out: {held_out}); "
            "add examples or hold out another share"
        ) from None
    return train, test
