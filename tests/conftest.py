"""Shape annotations are enforced in the whole suite, and the real images are found or their tests skipped."""

import os
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory

import h5py
import hypothesis
import jaxtyping
import numpy as np
import pytest
import torch

HOUSE = find_spec("torchbasics")
assert HOUSE is not None
assert HOUSE.submodule_search_locations is not None
PARTS = {part.name for part in iter_modules(HOUSE.submodule_search_locations)} - {"check"}
# Of `check`, the rooms that know of shapes: in what each traced operation runs through there are none to enforce, and
# the rest of its annotations, enforced there, would make each check nine times as long.
ENFORCED = [f"torchbasics.{part}" for part in sorted(PARTS | {"check.networks", "check.output"})]
jaxtyping.install_import_hook(ENFORCED, "beartype.beartype")

# For scripts/mutate_backward.py, where a red test is enough and nobody reads the simplest example of it.
hypothesis.settings.register_profile("first-failure", phases=[hypothesis.Phase.generate])

# The products are small; a second thread gains nothing, and waits for the first on a busy machine.
torch.set_num_threads(1)

# A list of fonts left by another installation, perhaps while it was being removed, makes Matplotlib complain where the
# tests expect silence.
FONTS = TemporaryDirectory(prefix="torchbasics-fonts-")
os.environ["MPLCONFIGDIR"] = FONTS.name


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand the files out in the order below, not by how many tests each has: slow ones have few."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that none is begun while the other processes have nothing left to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} in a folder named shared beside the checkout; it is not there")
    return path


@pytest.fixture(scope="session")
def course_reference() -> Path:
    """The figures printed in public notebooks."""
    return _shared("reference", "course_reference.json")


@pytest.fixture(scope="session")
def cat_files() -> tuple[Path, Path]:
    """The course's real images: 209 to train on and 50 to test on, 64x64x3."""
    return _shared("data", "train_catvnoncat.h5"), _shared("data", "test_catvnoncat.h5")


@pytest.fixture(scope="session")
def cifar_cat_files() -> tuple[Path, Path]:
    """4,000 and 1,000 real images, 32x32x3."""
    return _shared("data", "train_cifar_cat.h5"), _shared("data", "test_cifar_cat.h5")


@pytest.fixture
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of so short a run; test_tensorboard.py looks at them."""
    monkeypatch.setattr("torchbasics.training.pictures.save_figure", lambda figure, path: None)
    monkeypatch.setattr("torchbasics.training.pictures.mistakes", lambda data, probabilities: None)


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """23 and 9 random pictures, 5x4x3: 23 is prime, so that every batch size leaves a remainder."""
    random = np.random.default_rng(0)
    for kind, m in (("train", 23), ("test", 9)):
        with h5py.File(tmp_path / f"{kind}_small.h5", "w") as file:
            file[f"{kind}_set_x"] = random.integers(0, 256, (m, 5, 4, 3), dtype=np.uint8)
            file[f"{kind}_set_y"] = np.arange(m) % 2
    return str(tmp_path / "train_small.h5")
