"""Built-in and generated sets, what a source's name means, and what a data set is."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from torchbasics.data import NAMES, load, write
from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.data.builtin import BUILTIN
from torchbasics.data.planar import PLANAR
from torchbasics.data.sequences import SEQUENCES
from torchbasics.data.split import stratified
from torchbasics.errors import InputError


def built_in(name: str, seed: int = 3, dtype: torch.dtype = torch.float64) -> Data:
    return load(name, dtype=dtype, seed=seed)


def refusal(source: str | Path, test_source: str | None = None, seed: int = 0) -> str:
    with pytest.raises(InputError) as caught:
        load(source, test_source, dtype=torch.float32, seed=seed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows(X: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(column) for column in X.T.tolist()}


# Every built-in set


def test_the_names_are_those_that_load() -> None:
    assert set(NAMES) == set(BUILTIN | PLANAR | SEQUENCES)


def test_the_names_come_without_torch() -> None:
    code = "import sys, torchbasics.data as d; d.NAMES; sys.exit(bool({'torch', 'numpy', 'h5py'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


def test_the_package_has_no_other_lazy_name() -> None:
    import torchbasics.data

    with pytest.raises(AttributeError, match="'laod'"):
        _ = torchbasics.data.laod


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_complete_and_its_memory_lies_examples_first(name: str, dtype: torch.dtype) -> None:
    data = built_in(name, dtype=dtype)
    assert data.name == name
    for split in (data.train, data.test):
        assert split.X.dtype == split.Y.dtype == dtype
        assert (split.X.shape[0], split.X.shape[-1], split.Y.shape[-1]) == (data.n_x, split.m, split.m)
        assert split.Y.shape[:-1] == ((1, data.n_x) if data.tokens else (1,))
        assert set(split.Y.unique().tolist()) <= set(range(len(data.classes)))
    assert set(data.train.Y.unique().tolist()) == set(range(len(data.classes))) or name == "zen"
    if name not in SEQUENCES:
        assert data.train.X.T.is_contiguous()
        assert not rows(data.train.X) & rows(data.test.X) or "digit" in name
        assert abs(data.train.Y.mean() - data.test.Y.mean()) < 0.01 * (len(data.classes) - 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_nothing_else(name: str) -> None:
    one, same, other = built_in(name), built_in(name), built_in(name, seed=4)
    assert torch.equal(one.train.X, same.train.X)
    assert torch.equal(one.test.X, same.test.X)
    assert torch.equal(one.test.Y, same.test.Y)
    assert torch.equal(one.test.X, other.test.X) == (name == "zen")
    assert torch.equal(one.train.X, other.train.X) == (name in ("flower", "zen"))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range(seed: int) -> None:
    assert f"--seed {seed}: expected a whole number from 0 to 4294967295" in refusal("flower", seed=seed)


def test_the_largest_seed_works_everywhere() -> None:
    for name in NAMES:
        built_in(name, seed=2**32 - 1)


# scikit-learn's


def test_digits_are_even_or_odd() -> None:
    data = built_in("digits")
    assert (data.classes, data.image, data.pixel_scale) == (("odd", "even"), ImageShape(8, 8, 1), 16.0)
    assert (data.train.m, data.test.m) == (1437, 360)
    pixels, digit = load_digits(return_X_y=True)
    of = {tuple(p): d for p, d in zip(pixels.tolist(), digit.tolist(), strict=True)}
    for split in (data.train, data.test):
        even = [float(of[tuple(x)] % 2 == 0) for x in (split.X.T * 16).tolist()]
        assert split.Y[0].tolist() == even


def test_ten_digits_are_the_digits() -> None:
    data = built_in("ten-digits")
    assert (data.n_y, data.classes, data.image) == (10, tuple("0123456789"), ImageShape(8, 8, 1))
    pixels, digit = load_digits(return_X_y=True)
    of = {tuple(p): d for p, d in zip(pixels.tolist(), digit.tolist(), strict=True)}
    for split in (data.train, data.test):
        assert split.Y[0].tolist() == [of[tuple(x)] for x in (split.X.T * 16).tolist()]


def test_digit_sums_are_known_from_both_parts_and_from_neither_alone() -> None:
    data = built_in("digit-sums")
    assert (data.n_x, data.structured, data.image) == (74, 10, ImageShape(8, 8, 1))
    pixels, digit = load_digits(return_X_y=True)
    of = {tuple(p): d for p, d in zip(pixels.tolist(), digit.tolist(), strict=True)}
    agree = []
    for split in (data.train, data.test):
        digits = torch.tensor([of[tuple(x)] for x in (split.X[:64].T * 16).tolist()])
        k = split.X[64:].argmax(dim=0)
        assert split.X[64:].sum(dim=0).unique().tolist() == [1]
        assert torch.equal(split.Y[0], ((digits + k) % 2 == 0).to(split.Y.dtype))
        agree += [((digits % 2 == 0) == split.Y[0]).double(), ((k % 2 == 0) == split.Y[0]).double()]
    # A fair coin over 1,437 and over 360 examples, five sigma.
    assert all(abs(one.mean() - 0.5) < 2.5 / len(one) ** 0.5 for one in agree)


def test_the_answer_to_match_is_known_and_no_weighted_sum_tells_it() -> None:
    data = built_in("match")
    assert (data.train.X.shape, data.n_y, data.classes) == ((1, 12, 1000), 1, ("differ", "agree"))
    for split in (data.train, data.test):
        assert set(split.X.unique().tolist()) == {-1, 1}
        assert torch.equal(split.Y[0], (split.X[0, 0] == split.X[0, -1]).to(split.Y.dtype))
        X, Y = split.X[0], 2 * split.Y[0] - 1
        # The correlation of the label with any one sign is that of a fair coin.
        assert ((X * Y).mean(dim=1).abs() < 5 / 1000**0.5).all()


def test_zen_is_the_text_and_its_next_letters() -> None:
    data = built_in("zen")
    assert (data.tokens, data.n_y) == (len(data.classes), len(data.classes))

    def read(tokens: torch.Tensor) -> str:
        return "".join(data.classes[int(token)] for token in tokens)

    for split in (data.train, data.test):
        assert torch.equal(split.X[1:], split.Y[0, :-1])
    first = read(data.train.X[:, 0]) + "".join(read(data.train.Y[0, -1:, k]) for k in range(data.train.m))
    last = read(data.test.X[:, 0]) + "".join(read(data.test.Y[0, -1:, k]) for k in range(data.test.m))
    printed = subprocess.run([sys.executable, "-c", "import this"], capture_output=True, text=True, check=True).stdout
    assert first + last == printed.removesuffix("\n")


def test_breast_cancer_is_standardised_by_the_training_set_and_1_is_malignant() -> None:
    data = built_in("breast-cancer")
    assert (data.classes, data.image, data.pixel_scale) == (("benign", "malignant"), None, 1.0)
    assert (data.n_x, data.train.m, data.test.m) == (30, 455, 114)
    assert data.train.X.mean(dim=1).abs().max() < 1e-12
    assert (data.train.X.std(dim=1, correction=0) - 1).abs().max() < 1e-12
    assert data.test.X.mean(dim=1).abs().max() > 0.01
    bunch = load_breast_cancer()
    malignant = (bunch.target == list(bunch.target_names).index("malignant")).sum()
    assert data.train.Y.sum() + data.test.Y.sum() == malignant
    radius = data.train.X[0]
    assert radius[data.train.Y[0] == 1].mean() > radius[data.train.Y[0] == 0].mean(), "malignant nuclei are larger"


# Planar sets


def test_the_flower_is_the_courses() -> None:
    state = np.random.get_state()
    np.random.seed(1)
    m, N, a = 400, 200, 4
    X, Y = np.zeros((m, 2)), np.zeros((m, 1))
    for j in range(2):
        ix = range(N * j, N * (j + 1))
        t = np.linspace(j * 3.12, (j + 1) * 3.12, N) + np.random.randn(N) * 0.2
        r = a * np.sin(4 * t) + np.random.randn(N) * 0.2
        X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
        Y[ix] = j
    np.random.set_state(state)
    data = built_in("flower", seed=17)
    assert np.array_equal(data.train.X, X.T)
    assert np.array_equal(data.train.Y, Y.T)
    assert data.test.m == 400
    assert data.test.X.norm(dim=0).max() < 5
    assert np.array_equal(np.random.get_state()[1], state[1]), "NumPy's global generator is left alone"


def test_the_shapes_are_what_their_names_say() -> None:
    circles, moons, spirals, blobs = (built_in(name).train for name in ("circles", "moons", "spirals", "blobs"))
    radius = circles.X.norm(dim=0)
    assert radius[circles.Y[0] == 0].mean() > radius[circles.Y[0] == 1].mean() + 0.2, "label 1 is inside"
    height = moons.X[1]
    assert height[moons.Y[0] == 0].mean() > height[moons.Y[0] == 1].mean() + 0.4, "label 1 hangs below"
    angle = torch.atan2(spirals.X[1], spirals.X[0]) - 3 * torch.pi * spirals.X.norm(dim=0)
    outer = spirals.X.norm(dim=0) > 0.5
    assert torch.equal(torch.cos(angle)[outer] < 0, spirals.Y[0, outer] == 1), "the arms are half a turn apart"
    centres = np.random.RandomState(5).uniform(-10, 10, size=(6, 2))
    distance = torch.cdist(blobs.X.T, torch.from_numpy(centres))
    assert distance.min(dim=1).values.mean() < 2
    assert (distance.argmin(dim=1) % 2 == blobs.Y[0]).double().mean() > 0.8


# What a source is


def test_a_known_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").write_text("a file")
    assert built_in("digits").n_x == 64


@pytest.mark.parametrize("as_type", [str, Path])
def test_an_HDF5_file_by_str_or_Path(tmp_path: Path, as_type: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("train", "test"):
        write(Path(f"{kind}_d.h5"), kind, np.eye(4, 3), np.arange(4) % 2, ("no", "yes"))
    assert load(as_type("train_d.h5"), dtype=torch.float32, seed=0).classes == ("no", "yes")
    assert load(as_type("train_d.h5"), as_type("test_d.h5"), dtype=torch.float32, seed=0).test.m == 4


def test_an_unknown_name_gets_the_nearest() -> None:
    message = refusal("digit")
    assert "no data set, file or folder is called 'digit'" in message
    assert "did you mean 'digits'? (known: blobs, breast-cancer" in message


def test_a_path_that_is_not_there_gets_its_nearest_sibling(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x" / "d.h5").startswith(
        f"no such file: {tmp_path / 'x' / 'd.h5'}; there is no HDF5 file in"
    )
    (tmp_path / "train_cats.h5").touch()
    (tmp_path / "notes.txt").touch()
    message = refusal(tmp_path / "train_cat.h5")
    assert message.endswith("did you mean 'train_cats.h5'? (known: train_cats.h5)")
    assert "no such file: nowhere.hdf5" in refusal("nowhere.hdf5")
    assert f"no such file: no{os.sep}where" in refusal(f"no{os.sep}where")


def test_of_many_siblings_only_the_nearest_are_told(tmp_path: Path) -> None:
    for i in range(70):
        (tmp_path / f"train_{i:02}.h5").touch()
    (tmp_path / "CATS.h5").touch()
    message = refusal(tmp_path / "cats1.h5")
    assert "did you mean 'CATS.h5'? (known: CATS.h5, " in message
    assert message.count("train_") == 7
    assert message.endswith(") and 63 more")


def test_test_data_goes_with_an_HDF5_file(tmp_path: Path) -> None:
    for source in ("digits", tmp_path):
        assert "leave out --test-data" in refusal(source, "test.h5")


# Splits and shapes


def test_a_stratified_split_keeps_the_shares_and_loses_nothing() -> None:
    labels = np.repeat([0, 1], [90, 10])
    train, test = stratified("d", labels, 0.2, 5)
    assert sorted([*train, *test]) == list(range(100))
    assert (labels[train].sum(), labels[test].sum()) == (8, 2)


def test_a_class_too_small_to_split() -> None:
    with pytest.raises(InputError, match="d: 9 with label 0, 1 with label 1 cannot be split"):
        stratified("d", np.arange(10) == 4, 0.2, 0)


def test_images_are_in_the_order_of_the_columns() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3))
    images = ImageShape(5, 6, 3).images(Split.from_rows(x.reshape(4, -1), np.zeros(4), torch.float64).X)
    assert np.array_equal(images.permute(0, 2, 3, 1), x)


def test_sets_of_different_n_x_are_refused() -> None:
    a, b = (Split.from_rows(np.zeros((2, n)), np.zeros(2), torch.float32) for n in (3, 4))
    with pytest.raises(InputError, match="n_x = 3 inputs and the test examples 4"):
        Data("d", a, b, ("0", "1"), None, 1.0)
