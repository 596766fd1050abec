r"""Points in the plane, generated: the data whose decision boundary can be drawn.

Legend: n_x = 2, m = 400 to train on and 400 to test on, label 0 red and 1 blue as the course plots them. Points are
rows, (m, 2), until they become the columns of X.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.datasets import make_blobs, make_circles, make_moons

from torchbasics.data.base import Data, Split
from torchbasics.data.split import stratified

M = 400
Points = tuple[Float[np.ndarray, "m 2"], Int[np.ndarray, " m"]]


def flower_points(random: np.random.RandomState | np.random.Generator) -> Points:
    r"""m = 400 points on petals; for each label j in {0, 1}, 200 of

    $$\theta \in [3.12\,j,\; 3.12\,(j+1)] + 0.2\,\epsilon, \quad r = 4 \sin 4\theta + 0.2\,\epsilon', \quad
    x = (r \sin\theta,\; r \cos\theta).$$

    Source: the course's `load_planar_dataset` (week 3), whose order of draws this keeps: $\theta$ before $r$.
    """
    n = M // 2
    points, labels = np.empty((M, 2)), np.repeat([0, 1], n)
    for j in (0, 1):
        theta = np.linspace(j * 3.12, (j + 1) * 3.12, n) + random.standard_normal(n) * 0.2
        r = 4 * np.sin(4 * theta) + random.standard_normal(n) * 0.2
        points[labels == j] = np.c_[r * np.sin(theta), r * np.cos(theta)]
    return points, labels


def flower(dtype: torch.dtype, seed: int) -> Data:
    """The course's planar flower. Its training set is the course's (NumPy's legacy seed 1) *whatever the seed*.

    The course has no test set; this one is a fresh draw of the same flower, from another generator, by the seed.
    """
    return _data("flower", flower_points(np.random.RandomState(1)), flower_points(np.random.default_rng(seed)), dtype)


def circles(dtype: torch.dtype, seed: int) -> Data:
    """Noisy circles, one inside the other: radii 1 and 0.5, noise 0.3 (the course's `load_extra_datasets`)."""
    return _halved("circles", make_circles(2 * M, factor=0.5, noise=0.3, random_state=seed), dtype, seed)


def moons(dtype: torch.dtype, seed: int) -> Data:
    """Two half moons, noise 0.2 (the course's `load_extra_datasets`)."""
    return _halved("moons", make_moons(2 * M, noise=0.2, random_state=seed), dtype, seed)


def blobs(dtype: torch.dtype, seed: int) -> Data:
    """Six Gaussian blobs of sigma 1, labelled in turn 0 and 1, at the course's centres (`load_extra_datasets`)."""
    centres = np.random.RandomState(5).uniform(-10, 10, size=(6, 2))
    points, blob = make_blobs(2 * M, centers=centres, random_state=seed)
    return _halved("blobs", (points, blob % 2), dtype, seed)


def spirals(dtype: torch.dtype, seed: int) -> Data:
    r"""Two arms of a spiral, half a turn apart: $\theta = 3\pi r + \pi j$, radius r in [0.05, 1], noise 0.02."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], M)
    r = random.uniform(0.05, 1, 2 * M)
    theta = 3 * np.pi * r + np.pi * labels
    points = np.c_[r * np.cos(theta), r * np.sin(theta)] + 0.02 * random.standard_normal((2 * M, 2))
    return _halved("spirals", (points, labels), dtype, seed)


def _halved(name: str, drawn: Points, dtype: torch.dtype, seed: int) -> Data:
    points, labels = drawn
    train, test = stratified(name, labels, 0.5, seed)
    return _data(name, (points[train], labels[train]), (points[test], labels[test]), dtype)


def _data(name: str, train: Points, test: Points, dtype: torch.dtype) -> Data:
    return Data(
        name=name,
        train=Split.from_rows(*train, dtype),
        test=Split.from_rows(*test, dtype),
        classes=("red", "blue"),
        image=None,
        pixel_scale=1.0,
    )


PLANAR: dict[str, Callable[[torch.dtype, int], Data]] = {
    "flower": flower,
    "circles": circles,
    "moons": moons,
    "blobs": blobs,
    "spirals": spirals,
}
