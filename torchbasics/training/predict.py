"""Classify pictures from files with a trained run, as the course invites its reader to try a picture of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from torchbasics.data.base import ImageShape
from torchbasics.data.pictures import read_picture
from torchbasics.errors import InputError
from torchbasics.training import checkpoint, engines
from torchbasics.training.config import TrainConfig
from torchbasics.training.run import build


@dataclass(frozen=True)
class Prediction:
    """One picture: p is the probability of label 1, which `name` is the class of if p > 1/2."""

    path: Path
    name: str
    p: float


def predict(folder: Path, images: Sequence[Path]) -> tuple[str, list[Prediction]]:
    """The class of label 1, and a prediction for each picture, by the hand-derived parameters if the run has them.

    Pictures of any size and kind are brought to the size and channels that the run was trained on.
    Raises `InputError` if the run was not trained on pictures, or one of the files is no readable picture.
    """
    saved = checkpoint.load(folder)
    config = TrainConfig.from_dict(saved["config"])
    if saved["image"] is None:
        raise InputError(f"{folder} was trained on {config.data}, which are no pictures; train on pictures first")
    lowest, highest = saved["range"]
    if lowest < 0 or highest > 1:
        raise InputError(
            f"{folder} was trained on pixels from {lowest:g} to {highest:g}, and a picture's are brought to 0 to 1; "
            "train on uint8 pixels, which are divided by 255, to classify pictures"
        )
    image = ImageShape(*saved["image"])
    pictures = [read_picture(path, image) for path in images]
    X = torch.cat(pictures, dim=1).to(getattr(torch, config.dtype))
    network = build(config).to(X.dtype)
    assert config.learning_rate is not None
    name = next(iter(saved["engines"]))
    engine = engines.ENGINES[name](network, config.optimizer, config.learning_rate)
    engine.restore(saved["engines"][name])
    _, A = engine.cost_and_predictions(X, torch.zeros(1, len(pictures), dtype=X.dtype))
    classes = saved["classes"]
    return classes[1], [
        Prediction(path, classes[int(p > 0.5)], p) for path, p in zip(images, A.flatten().tolist(), strict=True)
    ]
