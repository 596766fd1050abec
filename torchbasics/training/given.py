"""The data that a configuration names, what it makes of the configuration, and what tells it from any other."""

import hashlib
from dataclasses import replace
from pathlib import Path

from torchbasics.data import NAMES, load
from torchbasics.data.base import Data
from torchbasics.errors import InputError
from torchbasics.notation import examples_first
from torchbasics.training.config import TrainConfig
from torchbasics.training.device import device_and_dtype


def data_of(config: TrainConfig) -> Data:
    """The data of a filled configuration, on its device. Raises `InputError` for what can't be used."""
    assert config.data is not None
    device, dtype = device_and_dtype(config)
    return load(config.data, config.test_data, dtype=dtype, seed=config.seed).to(device)


def settled(config: TrainConfig, data: Data) -> TrainConfig:
    """The configuration of a run on this data with every field filled in.

    Raises `InputError` for a batch size or layers that the data does not have.
    """
    if config.batch_size is not None and config.batch_size > data.train.m:
        raise InputError(f"--batch-size {config.batch_size}: there are only {data.train.m} training examples")
    return with_absolute_paths(config.resolve(data.n_x, data.n_y))


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """The same data from wherever a run is resumed. Links stay links: their names lead to the test file."""
    if config.data is None or config.data in NAMES:
        return config
    test_data = config.test_data and config.test_data.absolute()
    return replace(config, data=str(Path(config.data).absolute()), test_data=test_data)


def digest(data: Data) -> str:
    """What tells this data from any other: a hash of every number of both sets, and of the classes' names."""
    content = hashlib.blake2b(repr(data.classes).encode())
    for split in (data.train, data.test):
        for examples in (split.X, split.Y):
            content.update(repr(tuple(examples.shape)).encode())
            content.update(examples_first(examples).contiguous().flatten().cpu().numpy().data)
    return content.hexdigest()
