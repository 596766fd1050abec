"""Classify pictures from files with a trained run, as the course invites its reader to try a picture of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from torchbasics.data.base import ImageShape
from torchbasics.data.pictures import read_picture
from torchbasics.errors import InputError
from torchbasics.models import Inputs
from torchbasics.training import checkpoint, engines
from torchbasics.training.build import build
from torchbasics.training.config import TrainConfig


@dataclass(frozen=True)
class Prediction:
    """One picture: `name` is its likeliest class, p the probability of class `of`: label 1 of two, of more `name`."""

    path: Path
    name: str
    of: str
    p: float


def predict(folder: Path, images: Sequence[Path]) -> list[Prediction]:
    """A prediction for each picture, by the hand-derived parameters if the run has them.

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
    inputs = Inputs(**saved["inputs"])
    if inputs.structured:
        raise InputError(f"{folder} was trained on pictures with {inputs.structured} other inputs, which a file lacks")
    image = ImageShape(*saved["image"])
    pictures = [read_picture(path, image) for path in images]
    assert config.dtype is not None
    assert config.optimizer is not None
    assert config.learning_rate is not None
    X = torch.cat(pictures, dim=1).to(getattr(torch, config.dtype))
    network = build(config, inputs).to(X.dtype)
    name = next(iter(saved["engines"]))
    engine = engines.ENGINES[name](network, config.optimizer, config.learning_rate)
    engine.restore(saved["engines"][name])
    _, A = engine.cost_and_predictions(X, torch.zeros(1, len(pictures), dtype=X.dtype))
    classes = saved["classes"]
    labels = engines.likeliest(A).flatten().int().tolist()
    shown = [1] * len(labels) if len(A) == 1 else labels
    p = A[0].tolist() if len(A) == 1 else A.amax(dim=0).tolist()
    found = zip(images, labels, shown, p, strict=True)
    return [Prediction(path, classes[label], classes[of], value) for path, label, of, value in found]
