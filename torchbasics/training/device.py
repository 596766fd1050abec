"""Where a run computes, and in which precision."""

import torch

from torchbasics.errors import InputError
from torchbasics.training.config import TrainConfig


def device_and_dtype(config: TrainConfig) -> tuple[torch.device, torch.dtype]:
    """Of a filled configuration. Raises `InputError` if the device isn't there, or can't hold the dtype."""
    assert config.dtype is not None
    return pick_device(config.device, config.dtype), getattr(torch, config.dtype)


def pick_device(device: str, dtype: str) -> torch.device:
    """The device by its name. Raises `InputError` if it isn't there, or can't hold the dtype."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        fits = {"cuda": True, "mps": dtype == "float32", "cpu": True}
        return torch.device(next(name for name in fits if there[name] and fits[name]))
    if not there[device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise InputError(f"--device {device}: torch finds no such device here (it finds: {found}); leave --device out")
    if device == "mps" and dtype == "float64":
        raise InputError("--device mps has no float64: add --dtype float32")
    return torch.device(device)
