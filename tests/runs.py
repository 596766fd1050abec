"""What the tests of training share: small runs, and equality to the last bit."""

import io
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from torchbasics.training import checkpoint, log
from torchbasics.training.config import TrainConfig
from torchbasics.training.run import create, train


def small(pictures: str, **changes: Any) -> TrainConfig:
    """A few updates of 60-6-4-1, beside its data."""
    values: dict[str, Any] = {"layers": ("60,6,4,1",), "iterations": 20, "learning_rate": 0.05}
    return TrainConfig("deep", pictures, runs_dir=Path(pictures).parent / "runs", **(values | changes))


def quiet() -> Console:
    return Console(file=io.StringIO())


def finished(settings: TrainConfig) -> Path:
    run = create(settings)
    assert train(run, quiet()) == 0
    return run.folder


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal to the last bit, however nested."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{k}")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def assert_same_run(folder: Path, expected: Path) -> None:
    """Parameters, optimizers, batch order and every row of the log: equal to the last bit. Only clocks may differ."""
    ours, theirs = ({**checkpoint.load(run), "seconds": None} for run in (folder, expected))
    ours["config"], theirs["config"] = ({**saved["config"], "run": None} for saved in (ours, theirs))
    assert_same(ours, theirs)
    assert (folder / log.NAME).read_text() == (expected / log.NAME).read_text()


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
