"""A model as a run would start it, and the first examples of its training set."""

from dataclasses import replace

import torch
from torch import Tensor

from torchbasics.data import load
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.network import Network
from torchbasics.training.build import build, inputs_of
from torchbasics.training.config import TrainConfig


def example(config: TrainConfig, m: int) -> tuple[Network, Tensor, Tensor]:
    """The network with its first parameters, X (n_x, m) and Y (n_y, m), in float64 and without dropout.

    Raises `InputError` for what of the configuration or the data can't be used, and for more examples than there are.
    """
    config.check()
    config = replace(config, dtype="float64").filled()
    assert config.data is not None
    data = load(config.data, config.test_data, dtype=torch.float64, seed=config.seed)
    if not 1 <= m <= data.train.m:
        raise InputError(f"--examples {m}: expected 1 to {data.train.m}, the training examples of {data.name}")
    config = config.resolve(data.n_x, data.n_y)
    assert config.init is not None
    network = initialise(build(config, inputs_of(data)).double(), config.init, config.seed).eval()
    return network, data.train.X[..., :m], data.train.Y[..., :m]
