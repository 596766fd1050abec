"""Folders of pictures and torchvision's data sets become the course's files, whole or not at all."""

import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from torchbasics.data import load
from torchbasics.data.base import Data, ImageShape
from torchbasics.data.build import build
from torchbasics.data.examples import class_numbers, positive_class
from torchbasics.data.folder import ClassFolders
from torchbasics.errors import InputError

Built = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (9, 7)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def class_folders(folder: Path, **counts: int) -> Path:
    """`counts` pictures of each class; the red of a picture is its class's place in `counts`, the green its number."""
    for c, (name, count) in enumerate(counts.items()):
        for i in range(count):
            picture(folder / name / f"{i}.png", (c, i, 0))
    return folder


def built(source: str | Path, tmp_path: Path, **options: Any) -> Built:
    given: dict[str, Any] = {"out_dir": tmp_path / "out", "root": tmp_path / "root", "size": 8} | options
    paths = build(str(source), **given)
    assert sorted(given["out_dir"].iterdir()) == sorted(paths)
    contents = []
    for path, kind in zip(paths, ("train", "test"), strict=True):
        with h5py.File(path) as file:
            assert set(file) == {f"{kind}_set_x", f"{kind}_set_y", "list_classes"}
            contents.append(
                {"x": file[f"{kind}_set_x"][...], "y": file[f"{kind}_set_y"][...], "classes": file["list_classes"][...]}
            )
    return contents[0], contents[1]


def refusal(source: str | Path, tmp_path: Path, **options: Any) -> str:
    """The refusal's one line; nothing was written."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        build(str(source), **({"out_dir": tmp_path / "out", "root": tmp_path / "root", "size": 8} | options))
    assert sorted(tmp_path.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# A folder of pictures per class


def test_a_folder_is_split_by_the_seed(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "pets", cat=10, dog=20)
    train, test = built(folder, tmp_path)
    assert train["classes"].tolist() == test["classes"].tolist() == [b"cat", b"dog"]
    assert train["x"].shape == (24, 8, 8, 3)
    assert (train["x"].dtype, train["y"].dtype) == (np.uint8, np.int64)
    assert (train["y"].sum(), test["y"].sum()) == (16, 4), "stratified"
    seen = []
    for part in (train, test):
        assert np.array_equal(part["x"][:, 0, 0, 0], part["y"]), "the picture and its label stay together"
        assert (part["x"] == part["x"][:, :1, :1]).all()
        seen += [tuple(pixel) for pixel in part["x"][:, 0, 0].tolist()]
    assert sorted(seen) == sorted([(0, i, 0) for i in range(10)] + [(1, i, 0) for i in range(20)])
    assert train["y"].tolist() != sorted(train["y"]), "shuffled"

    same, _ = built(folder, tmp_path, out_dir=tmp_path / "again")
    other, _ = built(folder, tmp_path, out_dir=tmp_path / "other", seed=2)
    assert np.array_equal(train["x"], same["x"])
    assert not np.array_equal(train["x"], other["x"])


def test_what_is_built_loads_as_what_the_folder_loads(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "pets", cat=6, dog=7)
    paths = build(str(folder), out_dir=tmp_path, root=tmp_path, seed=5)
    assert paths == (tmp_path / "train_pets.h5", tmp_path / "test_pets.h5")
    from_files = load(paths[0], dtype=torch.float32, seed=0)
    from_folder = load(folder, dtype=torch.float32, seed=5)
    assert from_folder.image == from_files.image == ImageShape(64, 64, 3)
    assert (from_folder.name, from_folder.classes, from_folder.pixel_scale) == ("pets", ("cat", "dog"), 255.0)
    for part in ("train", "test"):
        one, two = getattr(from_files, part), getattr(from_folder, part)
        assert torch.equal(one.X, two.X)
        assert torch.equal(one.Y, two.Y)
        assert two.X.T.is_contiguous()


def test_a_folder_that_is_split_already(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    class_folders(folder / "train", cat=7, dog=5)
    class_folders(folder / "test", cat=2, dog=3)
    train, test = built(folder, tmp_path, test_fraction=0.5)
    assert (len(train["y"]), train["y"].sum(), len(test["y"]), test["y"].sum()) == (12, 5, 5, 3)
    assert train["y"].tolist() != sorted(train["y"]), "shuffled"
    assert np.array_equal(train["x"][:, 0, 0, 0], train["y"])


def test_other_files_hidden_files_and_nested_folders(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "pets", cat=5, dog=5)
    for name in ("cat/.DS_Store", "cat/notes.txt", "dog/._1.png", ".git/x.png", "README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("not a picture")
    picture(folder / "cat" / "more" / "a.JPG", (0, 0, 0))
    train, test = built(folder, tmp_path)
    assert len(train["y"]) + len(test["y"]) == 11


@pytest.mark.parametrize(
    ("classes", "positive", "expected"),
    [
        (["cat", "dog"], None, (1, ("cat", "dog"))),
        (["cat", "dog"], "cat", (0, ("dog", "cat"))),
        (["cat", "non-cat"], None, (0, ("non-cat", "cat"))),
        (["Cat", "NonCat"], None, (0, ("NonCat", "Cat"))),
        (["noncat", "noodle"], None, (1, ("noncat", "noodle"))),
        (["bird", "cat", "dog"], "CAT", (1, ("non-cat", "cat"))),
        (["bird", "cat", "dog"], "2", (2, ("non-dog", "dog"))),
        (["1", "0"], "0", (1, ("1", "0"))),
    ],
)
def test_which_class_is_label_1(
    classes: list[str], positive: str | None, expected: tuple[int, tuple[str, str]]
) -> None:
    assert positive_class("d", classes, positive) == expected


def test_class_numbers_are_known_without_reading_pictures_where_they_can_be() -> None:
    folders = ClassFolders([("not/there.png", 1), ("nor/there.png", 0)])
    assert class_numbers("d", folders).tolist() == [1, 0]

    class Hidden(ClassFolders):
        labels = (7,)  # not one for each picture

        @property
        def targets(self) -> list[str]:
            return ["dog", "cat"]

        def __getitem__(self, i: int) -> tuple[Image.Image, int]:
            return Image.new("RGB", (1, 1)), self.samples[i][1]

    assert class_numbers("d", Hidden(folders.samples)).tolist() == [1, 0]


def test_one_class_against_the_rest(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "zoo", bird=5, cat=10, dog=5)
    train, test = built(folder, tmp_path, positive="Cat", limit=6)
    assert train["classes"].tolist() == [b"non-cat", b"cat"]
    assert np.array_equal(train["x"][:, 0, 0, 0] == 1, train["y"] == 1)
    assert (len(train["y"]), train["y"].sum(), len(test["y"])) == (6, 3, 4), "limit, stratified; fewer stay as they are"
    assert (tmp_path / "out" / "train_zoo_Cat.h5").exists()


def empty_class(folder: Path) -> None:
    class_folders(folder, cat=3, dog=3)
    (folder / "fish").mkdir()


def broken_picture(folder: Path) -> None:
    class_folders(folder, cat=9, dog=9)
    (folder / "dog" / "5.png").write_text("not a picture")


def other_test_classes(folder: Path) -> None:
    class_folders(folder / "train", cat=3, dog=3)
    class_folders(folder / "test", cat=3, fish=3)


BAD_FOLDERS: list[tuple[Callable[[Path], None], dict[str, Any], list[str]]] = [
    (lambda folder: folder.mkdir(), {}, ["has no folder per class (it has nothing)"]),
    (lambda folder: picture(folder / "a.png", (0, 0, 0)), {}, ["it has a.png", "a folder of pictures for each class"]),
    (lambda folder: class_folders(folder, cat=3), {}, ["it has cat"]),
    (empty_class, {}, ["no pictures (.jpg, .jpeg, .png, .gif, .webp, .bmp) in fish"]),
    (broken_picture, {}, ["dog/5.png cannot be read as a picture"]),
    (other_test_classes, {}, ["train has the classes cat, dog and test cat, fish"]),
    (lambda f: class_folders(f, a=3, b=3, c=3) and None, {}, ["has 3 classes", "--positive CLASS", "a, b, c"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"positive": "cta"}, ["no class 'cta'", "did you mean 'cat'?"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"positive": "2"}, ["no class '2'", "known: cat, dog"]),
    (lambda f: class_folders(f, cat=9, dog=1) and None, {}, ["9 with label 0, 1 with label 1 cannot be split"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"size": 0}, ["--size 0: expected 1 to 4096"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"size": 4097}, ["--size 4097: expected 1 to 4096 pixels"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"test_fraction": 1.0}, ["--test-fraction 1.0"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"test_fraction": 0.0}, ["--test-fraction 0.0"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"limit": 1}, ["--limit 1"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"seed": -1}, ["--seed -1"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"name": "a/b"}, ["--name 'a/b'", "go in --out-dir"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"name": ".."}, ["--name '..'"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"name": "."}, ["--name '.'"]),
    (lambda f: class_folders(f, cat=3, dog=3) and None, {"name": ""}, ["--name ''"]),
]


@pytest.mark.parametrize(("make", "options", "expected"), BAD_FOLDERS, ids=[row[2][0] for row in BAD_FOLDERS])
def test_a_bad_folder_is_refused_and_nothing_is_written(
    tmp_path: Path, make: Callable[[Path], None], options: dict[str, Any], expected: list[str]
) -> None:
    make(tmp_path / "pets")
    message = refusal(tmp_path / "pets", tmp_path, **options)
    for part in expected:
        assert part in message


def test_a_limit_just_below_m_and_one_that_leaves_a_rare_class(tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    for kind in ("train", "test"):
        class_folders(folder / kind, cat=19, dog=1)
    for limit, counts in ((19, (19, 1)), (2, (2, 1))):
        for part in built(folder, tmp_path, limit=limit, out_dir=tmp_path / str(limit)):
            assert (len(part["y"]), part["y"].sum()) == counts


def test_load_refuses_what_build_refuses(tmp_path: Path) -> None:
    broken_picture(tmp_path / "pets")
    with pytest.raises(InputError, match=r"dog/5\.png cannot be read"):
        load(tmp_path / "pets", dtype=torch.float32, seed=0)
    class_folders(tmp_path / "zoo", bird=3, cat=3, dog=3)
    with pytest.raises(
        InputError, match=r"3 classes, bird, cat, dog; .* torchbasics data build .*zoo --positive CLASS"
    ):
        load(tmp_path / "zoo", dtype=torch.float32, seed=0)
    (tmp_path / "h5").mkdir()
    (tmp_path / "h5" / "train_a.h5").touch()
    with pytest.raises(InputError, match=r"it has train_a\.h5\); name the HDF5 file itself"):
        load(tmp_path / "h5", dtype=torch.float32, seed=0)


# The output


def test_an_existing_file_is_found_before_anything_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "test_cifar10_cat.h5").touch()
    assert "is never overwritten" in refusal("CIFAR10", tmp_path, out_dir=tmp_path, positive="cat", download=True)


def test_either_existing_file_stops_the_build(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "pets", cat=3, dog=3)
    (tmp_path / "out").mkdir()
    for kind in ("train", "test"):
        path = tmp_path / "out" / f"{kind}_mine.h5"
        path.write_text("precious")
        assert f"{path} exists and is never overwritten" in refusal(folder, tmp_path, name="mine")
        assert path.read_text() == "precious"
        path.unlink()


def test_an_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "pets", cat=3, dog=3)
    (tmp_path / "file").touch()
    out_dir = tmp_path / "file"
    message = refusal(folder, tmp_path, out_dir=out_dir)
    assert message == f"--out-dir {out_dir}: cannot make the folder (File exists); choose another"
    assert "cannot make the folder (Not a directory)" in refusal(folder, tmp_path, out_dir=out_dir / "a" / "b")
    assert "cannot make the folder" in refusal(folder, tmp_path, out_dir=tmp_path / "a" / "b" / ("c" * 300))


def test_an_output_folder_is_made_with_its_parents_and_goes_with_them(tmp_path: Path) -> None:
    built(class_folders(tmp_path / "pets", cat=3, dog=3), tmp_path, out_dir=tmp_path / "a" / "b")
    broken_picture(tmp_path / "broken")
    refusal(tmp_path / "broken", tmp_path, out_dir=tmp_path / "a" / "c" / "d" / "e")
    refusal(tmp_path / "broken", tmp_path, out_dir=tmp_path / "x" / ".." / "y")


def test_a_failure_half_way_leaves_an_existing_folder_as_it_was(tmp_path: Path) -> None:
    broken_picture(tmp_path / "pets")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.h5").touch()
    refusal(tmp_path / "pets", tmp_path)


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    built(class_folders(tmp_path / "pets", cat=40, dog=60), tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(64, 100), (80, 100), (100, 100)]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    folder = class_folders(tmp_path / "pets", cat=4, dog=6)
    with pytest.raises(KeyboardInterrupt):
        built(folder, tmp_path, progress=stop)
    assert not (tmp_path / "out").exists()


# torchvision's data sets


def forge_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """30 + 20 pictures of 10 classes, each of one colour: its class and its number."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    planes = np.zeros((50, 3, 1024), np.uint8)
    planes[:, 0], planes[:, 1] = np.arange(50)[:, None] % 10, np.arange(50)[:, None]
    for name, part in (("data_batch_1", slice(0, 30)), ("test_batch", slice(30, 50))):
        batch = {"data": planes[part].reshape(-1, 3072), "labels": (np.arange(50) % 10)[part].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(
        torchvision.datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None}
    )
    return planes


def test_CIFAR10_keeps_its_own_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge_cifar10(tmp_path / "root", monkeypatch)
    train, test = built("cifar10", tmp_path, positive="cat")
    assert train["x"].shape == (30, 8, 8, 3)
    assert train["classes"].tolist() == [b"non-cat", b"cat"]
    assert sorted(train["x"][:, 0, 0, 1]) == list(range(30))
    assert sorted(test["x"][:, 0, 0, 1]) == list(range(30, 50))
    for part in (train, test):
        assert np.array_equal(part["x"][:, 0, 0, 0] == 3, part["y"] == 1)
    data: Data = load(tmp_path / "out" / "train_cifar10_cat.h5", dtype=torch.float32, seed=0)
    assert (data.name, data.classes, data.test.m) == ("cifar10_cat", ("non-cat", "cat"), 20)

    by_number, _ = built("CIFAR10", tmp_path, positive="3", out_dir=tmp_path / "again")
    assert np.array_equal(by_number["x"], train["x"])
    limited, rest = built("CIFAR10", tmp_path, positive="cat", out_dir=tmp_path / "few", limit=10)
    assert (len(limited["y"]), limited["y"].sum(), len(rest["y"]), rest["y"].sum()) == (10, 1, 10, 1)


def test_a_wrong_class_of_CIFAR10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge_cifar10(tmp_path / "root", monkeypatch)
    assert "no class 'cats'; did you mean 'cat'? (known: airplane" in refusal("CIFAR10", tmp_path, positive="cats")
    assert "CIFAR10 has 10 classes; say with --positive CLASS" in refusal("CIFAR10", tmp_path)
    assert "no class '10'" in refusal("CIFAR10", tmp_path, positive="10")


def test_a_test_set_without_the_positive_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge_cifar10(tmp_path / "root", monkeypatch)
    batch = tmp_path / "root" / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(pickle.dumps(pickle.loads(batch.read_bytes()) | {"labels": [0] * 20}))
    message = refusal("CIFAR10", tmp_path, positive="cat")
    assert message == "CIFAR10: none of the 20 pictures is of the positive class; both labels are needed"
    message = refusal("CIFAR10", tmp_path, positive="airplane")
    assert message == "CIFAR10: none of the 20 pictures is of any other class; both labels are needed"


def forge_pets(root: Path) -> None:
    """Abyssinian cats (red 0) and Beagles (red 250)."""
    pets = root / "oxford-iiit-pet"
    (pets / "annotations").mkdir(parents=True)
    for split, count in (("trainval", 6), ("test", 3)):
        lines = []
        for i in range(count):
            for breed, label, species in (("Abyssinian", 1, 1), ("beagle", 2, 2), ("Sphynx", 3, 1)):
                picture(pets / "images" / f"{breed}_{split}{i}.jpg", (250 * (species - 1), 0, 0), (40, 30))
                lines.append(f"{breed}_{split}{i} {label} {species} 1")
        (pets / "annotations" / f"{split}.txt").write_text("\n".join(lines))


@pytest.mark.parametrize(("positive", "classes"), [("cat", [b"Dog", b"Cat"]), ("Dog", [b"Cat", b"Dog"])])
def test_OxfordIIITPet_gives_cats_against_dogs(tmp_path: Path, positive: str, classes: list[bytes]) -> None:
    forge_pets(tmp_path / "root")
    train, test = built("OxfordIIITPet", tmp_path, positive=positive)
    assert train["classes"].tolist() == classes
    assert (len(train["y"]), len(test["y"])) == (18, 9)
    is_dog = train["x"][:, 0, 0, 0] > 125
    assert np.array_equal(is_dog == (positive == "Dog"), train["y"] == 1)


def test_OxfordIIITPet_by_breed(tmp_path: Path) -> None:
    forge_pets(tmp_path / "root")
    train, _ = built("oxfordiiitpet", tmp_path, positive="Beagle", limit=9)
    assert train["classes"].tolist() == [b"non-Beagle", b"Beagle"]
    assert np.array_equal(train["x"][:, 0, 0, 0] > 125, train["y"] == 1)
    assert (len(train["y"]), train["y"].sum()) == (9, 3), "labels that the data set hides are read from its pictures"


def test_a_picture_that_torchvision_cannot_read(tmp_path: Path) -> None:
    forge_pets(tmp_path / "root")
    (tmp_path / "root" / "oxford-iiit-pet" / "images" / "beagle_test1.jpg").write_bytes(b"")
    assert "OxfordIIITPet: picture 4 cannot be read" in refusal("OxfordIIITPet", tmp_path, positive="cat")


class Fake(torchvision.datasets.FakeData):
    """No train= or split=, no classes: 40 pictures of 3 classes."""

    def __init__(self, target_transform: Callable[[int], Any] | None = None) -> None:
        super().__init__(size=40, image_size=(3, 12, 10), num_classes=3, target_transform=target_transform)


def test_FakeData_is_split_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "FakeData", Fake)
    train, test = built("FakeData", tmp_path, positive="2", test_fraction=0.25)
    assert train["classes"].tolist() == [b"non-2", b"2"]
    numbers = [Fake()[i][1] for i in range(40)]
    assert (len(train["y"]), len(test["y"])) == (30, 10)
    assert train["y"].sum() + test["y"].sum() == numbers.count(2)
    assert abs(train["y"].mean() - test["y"].mean()) < 0.1
    assert len({row.tobytes() for row in np.concatenate([train["x"], test["x"]])}) == 40


class Validated(Fake):
    """Pictures with split="train" or "val", whose classes are known from the labels alone."""

    def __init__(self, root: str, split: str = "train", target_transform: Callable[[int], Any] | None = None) -> None:
        if split not in ("train", "val"):
            raise ValueError(f"Unknown value {split!r} for argument split. Valid values are ('train', 'val').")
        super().__init__()
        del self.num_classes
        self.size, self.random_offset = (40, 0) if split == "train" else (15, 100)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        self.num_classes = 3
        try:
            return super().__getitem__(index)
        finally:
            del self.num_classes


def test_a_data_set_with_a_validation_set_tests_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "Imagenette", Validated)
    train, test = built("imagenette", tmp_path, positive="0")
    assert (len(train["y"]), len(test["y"])) == (40, 15)
    assert "known: 0, 1, 2)" in refusal("Imagenette", tmp_path, positive="7", name="other")


def test_targets_that_are_no_class_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torchvision.datasets, "FakeData", lambda target_transform=None: Fake(lambda _: torch.tensor(0.5))
    )
    message = refusal("FakeData", tmp_path, positive="2")
    assert message == "FakeData is not a set of pictures with one class number each; choose another"


def test_a_data_set_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal("CIFAR10", tmp_path)
    assert message == f"CIFAR10 was not found under {tmp_path / 'root'}, or not all of it; pass --download to fetch it"
    assert "FER2013 was not found" in refusal("FER2013", tmp_path)
    assert "put it there by hand" in refusal("FER2013", tmp_path)

    def fail(self: object) -> None:
        raise urllib.error.URLError("Temporary failure in\nname resolution")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", fail)
    message = refusal("CIFAR10", tmp_path, download=True)
    assert message.startswith(f"CIFAR10 could not be downloaded to {tmp_path / 'root'} (")
    assert "Temporary failure in name resolution" in message


def test_a_data_set_that_needs_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs_scipy(target_transform: None = None) -> None:
        raise ModuleNotFoundError("No module named 'scipy'")

    monkeypatch.setattr(torchvision.datasets, "SVHN", needs_scipy)
    assert "SVHN cannot be read from" in refusal("SVHN", tmp_path)
    assert "(No module named 'scipy')" in refusal("SVHN", tmp_path)


def test_a_source_that_is_nothing(tmp_path: Path) -> None:
    assert "called 'CIFAR1O'; did you mean 'CIFAR10'? (known: CIFAR10, " in refusal("CIFAR1O", tmp_path)
    assert f"no such folder: {tmp_path / 'x'}" in refusal(tmp_path / "x", tmp_path)
    for unusable in ("ImageFolder", "VisionDataset"):
        assert f"no folder and no torchvision data set is called '{unusable}'" in refusal(unusable, tmp_path)


def test_torchvisions_data_sets_that_cannot_be_used(tmp_path: Path) -> None:
    for name in ("CelebA", "VOCDetection", "LSUN", "Sintel", "CocoDetection", "UCF101", "MovingMNIST"):
        message = refusal(name.lower(), tmp_path)
        assert message.startswith(f"{name} has no one class per picture; choose another, such as CIFAR10")
    for name in ("EMNIST", "ImageNet", "QMNIST"):
        assert refusal(name, tmp_path).startswith(f"{name} takes arguments of its own, which cannot be given here; ")
