"""HDF5 in the course's schema: the same X as the course's, and one actionable line for everything that is not."""

import json
import os
import resource
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchbasics.data.hdf5
from torchbasics.data import load
from torchbasics.data.base import Data, ImageShape
from torchbasics.data.hdf5_write import new_files, write
from torchbasics.errors import InputError

CLASSES = ("non-cat", "cat")
Arrays = dict[str, np.ndarray]


def images(m: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (m, *shape), dtype=np.uint8)


def labels(m: int) -> np.ndarray:
    return np.arange(m) % 2


def sets(**changes: object) -> Arrays:
    """A file with both sets, 5 and 4 images of 3x2x3; `changes` replace datasets, None removes one."""
    arrays: dict[str, object] = {
        "train_set_x": images(5, 3, 2, 3),
        "train_set_y": labels(5),
        "test_set_x": images(4, 3, 2, 3, seed=1),
        "test_set_y": labels(4),
        "list_classes": np.array([b"non-cat", b"cat"]),
    }
    return {key: np.asarray(value) for key, value in (arrays | changes).items() if value is not None}


def save(path: Path, arrays: Arrays, channel_order: str | bytes | None = None) -> Path:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array
            if channel_order is not None and key.endswith("_x"):
                file[key].attrs["channel_order"] = channel_order
    return path


def read(path: Path, test_source: Path | None = None, dtype: torch.dtype = torch.float64) -> Data:
    return load(path, test_source, dtype=dtype, seed=0)


def changed(path: Path, key: str, make: Callable[[h5py.File], object]) -> Path:
    """A file of both sets whose `key` was made by `make(file)` instead."""
    save(path, sets(**{key: None}))
    with h5py.File(path, "a") as file:
        make(file)
    return path


def refusal(path: Path, test_source: Path | None = None, dtype: torch.dtype = torch.float64) -> str:
    with pytest.raises(InputError) as caught:
        read(path, test_source, dtype)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The course's own files


def test_the_real_images_are_flattened_as_the_notebooks_print(
    cat_files: tuple[Path, Path], course_reference: Path
) -> None:
    (unit,) = (u for u in json.loads(course_reference.read_text())["unit"] if u["id"] == "data.flatten")
    printed = {key: [int(value) for value in values] for key, values in unit["expected_printed"].items()}
    data = read(cat_files[0])
    assert (data.train.X[0:5, 0] * 255).round().int().tolist() == printed["train[0:5,0]"]
    assert (data.train.X[0:10, 1] * 255).round().int().tolist() == printed["train[0:10,1]"]
    assert (data.test.X[0:10, 1] * 255).round().int().tolist() == printed["test[0:10,1]"]
    assert (data.name, data.classes) == ("catvnoncat", CLASSES)
    assert (data.image, data.pixel_scale) == (ImageShape(64, 64, 3), 255.0)
    with h5py.File(cat_files[0]) as file:
        assert np.array_equal(data.train.X, file["train_set_x"][...].reshape(209, -1).T / 255.0)
        assert np.array_equal(data.train.Y, file["train_set_y"][...].reshape(1, 209))


# Layouts


@settings(max_examples=30, deadline=None)
@given(
    m=st.integers(1, 9),
    height=st.integers(5, 8),
    width=st.integers(5, 8),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    chunked=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_either_channel_order_gives_the_courses_X(
    m: int, height: int, width: int, channels: int, dtype: torch.dtype, chunked: bool, seed: int
) -> None:
    x = images(m, height, width, channels, seed=seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchbasics.data.hdf5, "BLOCK_BYTES", 2 * height * width * channels)
        for order, stored in ("HWC", x), ("CHW", np.moveaxis(x, -1, 1)):
            path = Path(folder, f"{order}.h5")
            with h5py.File(path, "w") as file:
                for kind in ("train", "test"):
                    file.create_dataset(
                        f"{kind}_set_x", data=stored, chunks=(min(m, 3), *stored.shape[1:]) if chunked else None
                    )
                    file[f"{kind}_set_y"] = labels(m)
            data = read(path, dtype=dtype)
            divisor = x.dtype.type(255).astype(str(dtype).removeprefix("torch."))
            assert np.array_equal(data.train.X, (x / divisor).reshape(m, -1).T)
            assert data.train.X.dtype == data.train.Y.dtype == dtype
            assert data.train.X.T.is_contiguous()
            assert data.image == ImageShape(height, width, channels)


@pytest.mark.parametrize("order", ["HWC", b"HWC", "CHW"])
def test_the_attribute_decides_over_the_shape(tmp_path: Path, order: str | bytes) -> None:
    x = images(2, 3, 5, 3)
    data = read(
        save(tmp_path / "d.h5", sets(train_set_x=x, train_set_y=labels(2), test_set_x=x, test_set_y=labels(2)), order)
    )
    expected = np.moveaxis(x, 1, -1) if order == "CHW" else x
    assert data.image == ImageShape(*expected.shape[1:])
    assert np.array_equal(data.train.X.T * 255, expected.reshape(2, -1))


def test_the_last_axis_wins_where_both_could_be_channels(tmp_path: Path) -> None:
    x = images(5, 3, 7, 1)
    assert read(save(tmp_path / "d.h5", sets(train_set_x=x, test_set_x=x[:4]))).image == ImageShape(3, 7, 1)


def test_three_channels_win_over_four(tmp_path: Path) -> None:
    x = images(5, 3, 7, 4)
    assert read(save(tmp_path / "d.h5", sets(train_set_x=x, test_set_x=x[:4]))).image == ImageShape(7, 4, 3)


def test_grey_images_without_a_channel_axis(tmp_path: Path) -> None:
    x = images(5, 6, 7)
    data = read(save(tmp_path / "d.h5", sets(train_set_x=x, test_set_x=x[:4])))
    assert data.image == ImageShape(6, 7, 1)
    assert np.array_equal(data.train.X.T, x.reshape(5, -1) / 255)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "uint8", "bool"])
def test_structured_data_is_used_as_it_is(tmp_path: Path, dtype: str) -> None:
    x = images(5, 6).astype(dtype)
    data = read(save(tmp_path / "d.h5", sets(train_set_x=x, test_set_x=x[:4])))
    assert (data.image, data.pixel_scale) == (None, 1.0)
    assert np.array_equal(data.train.X.T, x)


def test_float_images_are_used_as_they_are(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((5, 6, 7, 3))
    data = read(save(tmp_path / "d.h5", sets(train_set_x=np.moveaxis(x, -1, 1), test_set_x=x[:4])))
    assert (data.image, data.pixel_scale) == (ImageShape(6, 7, 3), 1.0)
    assert np.array_equal(data.train.X.T, x.reshape(5, -1))
    assert np.array_equal(data.test.X.T, x[:4].reshape(4, -1))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (1, 5)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_labels_of_any_shape_and_dtype(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    data = read(save(tmp_path / "d.h5", sets(train_set_y=labels(5).astype(dtype).reshape(shape))))
    assert data.train.Y.tolist() == [[0, 1, 0, 1, 0]]


@pytest.mark.parametrize("dtype", ["i8", "f4", "f8", "u2"])
def test_either_byte_order_gives_the_same(tmp_path: Path, dtype: str) -> None:
    x = images(5, 6)
    for order in "<>":
        arrays = sets(
            train_set_x=x.astype(order + dtype),
            test_set_x=x[:4],
            train_set_y=labels(5).astype(order + dtype),
            list_classes=None,
        )
        data = read(save(tmp_path / "d.h5", arrays))
        assert np.array_equal(data.train.X.T, x)
        assert data.train.Y.tolist() == [[0, 1, 0, 1, 0]]


def test_classes_of_any_string_type(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    for dtype in (h5py.string_dtype(), h5py.string_dtype("ascii"), "S7"):
        made = changed(path, "list_classes", lambda f, d=dtype: f.create_dataset("list_classes", data=CLASSES, dtype=d))
        assert read(made).classes == CLASSES


# Which file is the test set


def test_the_test_set_is_beside_or_named_or_in_the_file(tmp_path: Path) -> None:
    arrays = sets(list_classes=None)
    train = {key: a for key, a in arrays.items() if key.startswith("train")}
    test = {key: a for key, a in arrays.items() if key.startswith("test")}
    together = read(save(tmp_path / "together.h5", arrays))
    assert (together.name, together.classes, together.test.m) == ("together", ("0", "1"), 4)

    path, other = (
        save(tmp_path / "train_a.h5", train),
        save(tmp_path / "elsewhere.h5", test | {"test_set_x": arrays["test_set_x"] // 2}),
    )
    message = refusal(path)
    assert str(tmp_path / "test_a.h5") in message
    assert "--test-data FILE" in message
    assert not torch.equal(read(path, other).test.X, together.test.X)
    save(tmp_path / "test_a.h5", test)
    beside = read(path)
    assert beside.name == "a"
    assert torch.equal(beside.test.X, together.test.X)
    assert torch.equal(beside.train.X, together.train.X)
    assert not torch.equal(read(path, other).test.X, together.test.X), "the named file wins over the one beside"
    assert not torch.equal(read(tmp_path / "together.h5", other).test.X, together.test.X), (
        "and over the set in the file"
    )


def test_the_classes_may_be_in_the_test_file_alone(tmp_path: Path) -> None:
    path, other = save(tmp_path / "d.h5", sets(list_classes=None)), save(tmp_path / "e.h5", sets())
    assert read(path, other).classes == read(other, path).classes == CLASSES


def test_without_a_test_set(tmp_path: Path) -> None:
    message = refusal(save(tmp_path / "d.h5", sets(test_set_x=None, test_set_y=None)))
    assert message.startswith("no test set: looked for test_set_x in ")
    assert message.endswith("--test-data FILE")


def test_a_test_file_given_as_the_data(tmp_path: Path) -> None:
    message = refusal(save(tmp_path / "test_d.h5", sets(train_set_x=None, train_set_y=None)))
    assert "holds a test set and no training set" in message
    assert "--test-data" in message


# What is refused


def nan_at(*index: int) -> np.ndarray:
    x = np.zeros((5, 4))
    x[1:, 3] = np.inf
    x[index] = np.nan
    return x


BAD_CONTENT: list[tuple[Arrays, list[str]]] = [
    (sets(train_set_x=None, test_set_x=None), ["has no train_set_x", "it has list_classes, test_set_y, train_set_y"]),
    (sets(train_set_y=None), ["has no train_set_y", "it has list_classes, test_set_x, test_set_y, train_set_x"]),
    (sets(test_set_y=None), ["has no test_set_y"]),
    (
        sets(train_set_y=[0, 1, 2, 7, 0]),
        ["train_set_y has labels other than 0 and 1: 2 of 5 (values 2, 7)", "at index 2"],
    ),
    (sets(test_set_y=[0, 1, np.nan, 0]), ["test_set_y has labels", "nan", "index 2"]),
    (sets(train_set_y=np.arange(-3, 2)), ["3 of 5", "-3, -2, -1)", "index 0"]),
    (sets(train_set_y=labels(4)), ["train_set_x has 5 examples and train_set_y 4 labels"]),
    (sets(train_set_y=np.zeros((5, 2))), ["train_set_y has shape (5, 2)", "expected (m,), (m, 1) or (1, m)"]),
    (sets(train_set_y=np.int64(1)), ["train_set_y has shape ()"]),
    (sets(train_set_x=np.zeros((0, 3, 2, 3), np.uint8), train_set_y=[]), ["(0, 3, 2, 3) is empty"]),
    (sets(train_set_x=np.zeros((5, 0))), ["(5, 0) is empty"]),
    (sets(train_set_x=nan_at(0, 2)), ["train_set_x has values that are NaN", "5 of 20", "at train_set_x[0, 2]"]),
    (sets(train_set_x=images(5, 8, 8, 3)), ["8x8x3 images", "3x2x3 images", "both need the same"]),
    (sets(train_set_x=np.zeros((5, 3, 2, 3))), ["used as they are", "divided by 255"]),
    (sets(train_set_x=images(5, 18)), ["18 inputs", "3x2x3 images"]),
    (sets(train_set_x=np.zeros((5, 4)), test_set_x=np.zeros((4, 3))), ["trains on 4 inputs", "tests on 3 inputs"]),
    (sets(train_set_x=np.zeros(5)), ["train_set_x has shape (5,)", "(m, H, W, C)"]),
    (sets(train_set_x=np.zeros((5, 1, 2, 3, 3))), ["train_set_x has shape (5, 1, 2, 3, 3)"]),
    (sets(train_set_x=images(5, 8, 8, 2)), ["(5, 8, 8, 2)", "channel_order"]),
    (sets(train_set_x=np.array([[b"a"]] * 5)), ["train_set_x has dtype |S1", "expected real numbers"]),
    (sets(train_set_x=np.zeros((5, 4), complex)), ["train_set_x has dtype complex128"]),
    (sets(list_classes=np.array([b"a", b"b", b"c"])), ["list_classes has 3 names"]),
]


@pytest.mark.parametrize(("arrays", "expected"), BAD_CONTENT, ids=[expected[0] for _, expected in BAD_CONTENT])
def test_bad_content_is_refused_in_one_line(tmp_path: Path, arrays: Arrays, expected: list[str]) -> None:
    message = refusal(save(tmp_path / "d.h5", arrays))
    for part in [str(tmp_path / "d.h5"), *expected]:
        assert part in message


def test_the_first_bad_value_is_found_in_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchbasics.data.hdf5, "BLOCK_BYTES", 64)
    x = np.zeros((5, 4))
    x[3, 2], x[4, 0] = np.nan, np.inf
    message = refusal(save(tmp_path / "d.h5", sets(train_set_x=x)))
    assert "2 of 20" in message
    assert "train_set_x[3, 2]" in message


def test_what_float32_cannot_hold_is_refused_there_alone(tmp_path: Path) -> None:
    x = np.array([[1.0, 2.0], [3.0, 1e300]])
    path = save(tmp_path / "d.h5", sets(train_set_x=x, train_set_y=labels(2), test_set_x=x[:1], test_set_y=[0]))
    assert read(path).train.X[1, 1] == 1e300
    assert "too large for float32: 1 of 4, the first at train_set_x[1, 1]" in refusal(path, dtype=torch.float32)


def test_an_unknown_channel_order_is_refused(tmp_path: Path) -> None:
    assert "channel_order = 'WHC'; expected 'HWC' or 'CHW'" in refusal(save(tmp_path / "d.h5", sets(), "WHC"))


def test_a_group_in_place_of_a_dataset_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "d.h5", sets(train_set_x=None))
    with h5py.File(path, "a") as file:
        file.create_group("train_set_x")
    assert "train_set_x is a group; expected a dataset" in refusal(path)


@pytest.mark.parametrize("key", ["train_set_x", "test_set_y", "list_classes"])
def test_a_null_dataspace_is_refused(tmp_path: Path, key: str) -> None:
    path = changed(tmp_path / "d.h5", key, lambda file: file.create_dataset(key, data=h5py.Empty("f8")))
    assert f"{path}: {key} is empty (it has a null dataspace); expected a dataset" in refusal(path)


def test_classes_that_are_no_strings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    changed(path, "list_classes", lambda file: file.create_group("list_classes"))
    assert "list_classes is a group; expected a dataset" in refusal(path)
    for dtype in (h5py.vlen_dtype(np.int64), np.dtype([("name", "S3"), ("id", "i4")]), h5py.ref_dtype):
        changed(path, "list_classes", lambda file, d=dtype: file.create_dataset("list_classes", (2,), d))
        message = refusal(path)
        assert "list_classes has dtype " in message
        assert "expected 2 strings" in message


@pytest.mark.parametrize("order", ["HWC", "CHW"])
@pytest.mark.parametrize("channels", [2, 7])
def test_images_of_other_channels_are_refused(tmp_path: Path, channels: int, order: str) -> None:
    x = images(5, 8, 9, channels)
    path = save(tmp_path / "d.h5", sets(train_set_x=x if order == "HWC" else np.moveaxis(x, -1, 1)), order)
    assert f"has {channels} channels by its channel_order = '{order}'; expected 1, 3 or 4" in refusal(path)


def test_what_does_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*shape: object, **options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory:\nyou tried to allocate 257698037760 bytes.")

    def make(file: h5py.File) -> None:
        file.create_dataset("train_set_x", (5, 65536, 65536, 3), np.uint8)  # without room on the disk

    path = changed(tmp_path / "d.h5", "train_set_x", make)
    monkeypatch.setattr(torch, "empty", full)
    message = refusal(path, dtype=torch.float32)
    assert "train_set_x of shape (5, 65536, 65536, 3) needs 240.0 GiB of memory as float32" in message
    assert "needs 480.0 GiB of memory as float64" in refusal(path)


def test_classes_that_are_swapped_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "d.h5", sets())
    other = save(tmp_path / "e.h5", sets(list_classes=np.array([b"cat", b"non-cat"])))
    assert "('non-cat', 'cat')" in refusal(path, other)


def test_files_that_are_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    assert refusal(path).startswith(f"no such file: {path}")
    path.write_bytes(b"")
    assert "is not an HDF5 file" in refusal(path)
    path.write_text("hello " * 1000)
    assert "is not an HDF5 file" in refusal(path)
    good = save(tmp_path / "good.h5", sets())
    assert "is a folder; expected an HDF5 file" in refusal(good, tmp_path)
    assert f"no such file: {tmp_path / 'no.h5'}" in refusal(good, tmp_path / "no.h5")
    fifo = tmp_path / "fifo.h5"
    os.mkfifo(fifo)
    assert "is not a regular file" in refusal(fifo)


def test_what_HDF5_says_on_several_lines_is_told_on_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, mode: str) -> None:
        raise OSError("file read failed: time = Mon\n, errno = 5")

    path = save(tmp_path / "d.h5", sets())
    monkeypatch.setattr(h5py, "File", fails)
    assert "cannot be read (file read failed: time = Mon , errno = 5)" in refusal(path)


def test_damage_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = save(tmp_path / "d.h5", sets()).read_bytes()
    path = tmp_path / "damaged.h5"
    path.write_bytes(whole[: len(whole) // 2])
    assert "is truncated" in refusal(path)
    refused = []
    for start in range(0, 2000, 40):
        path.write_bytes(whole[:start] + b"\xff" * 16 + whole[start + 16 :])
        with suppress(InputError):
            read(path)
            continue
        refused.append(refusal(path))
    assert len(refused) > 10


def test_a_damaged_chunk_is_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "d.h5", sets(train_set_x=None))
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset("train_set_x", data=images(5, 3, 2, 3), chunks=(1, 3, 2, 3), compression="gzip")
        offset = dataset.id.get_chunk_info(3).byte_offset
    raw = bytearray(path.read_bytes())
    raw[offset : offset + 8] = b"\xff" * 8
    path.write_bytes(raw)
    message = refusal(path)
    assert str(path) in message
    assert "may be damaged" in message


def test_a_file_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = save(Path(folder, "d.h5"), sets())
        path.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            assert "permission denied" in refusal(path)
            if root:
                os.seteuid(0)
                good = save(Path(folder, "e.h5"), sets())
                Path(folder, "closed").mkdir(mode=0o700)
                os.seteuid(65534)
                assert "permission denied" in refusal(good, Path(folder, "closed", "test.h5"))
        finally:
            if root:
                os.seteuid(0)


# Writing


@pytest.mark.parametrize(
    "x", [images(5, 3, 2, 3), np.random.default_rng(0).standard_normal((5, 4))], ids=["uint8", "float"]
)
def test_what_is_written_reads_back(tmp_path: Path, x: np.ndarray) -> None:
    write(tmp_path / "train_d.h5", "train", x, labels(5), CLASSES)
    write(tmp_path / "test_d.h5", "test", x[:4], labels(4), CLASSES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["test_d.h5", "train_d.h5"]
    data = read(tmp_path / "train_d.h5")
    assert data.classes == CLASSES
    assert np.array_equal(data.train.X.T * data.pixel_scale, x.reshape(5, -1))
    assert data.test.Y.tolist() == [[0, 1, 0, 1]]
    with h5py.File(tmp_path / "train_d.h5") as file:
        assert file["train_set_x"].chunks is None
        assert file["train_set_x"].id.get_storage_size() == x.nbytes


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "train_d.h5"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists and is never overwritten"):
        write(path, "train", images(5, 3, 2, 3), labels(5), CLASSES)
    assert path.read_text() == "precious"


def test_wrong_labels_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels other than 0 and 1"):
        write(tmp_path / "d.h5", "train", images(3, 3, 2, 3), np.arange(3), CLASSES)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*No such file"):
        write(tmp_path / "no" / "d.h5", "train", images(3, 3, 2, 3), labels(3), CLASSES)


def fails_in_the_block(tmp_path: Path) -> None:
    with new_files(tmp_path / "a.h5", tmp_path / "b.h5") as (a, _):
        a["x"] = np.ones(3)
        assert all(path.name.startswith(".") for path in tmp_path.iterdir()), "hidden until they are whole"
        raise KeyboardInterrupt


def fails_to_rename(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        replace = os.replace

        def full(source: Path, destination: Path) -> None:
            if destination.name == "b.h5":
                raise OSError(28, "No space left on device")
            replace(source, destination)

        patch.setattr(os, "replace", full)
        with new_files(tmp_path / "a.h5", tmp_path / "b.h5"):
            pass


def fails_to_grow(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        write(tmp_path / "a.h5", "train", images(100, 32, 32, 3), labels(100), CLASSES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("fails", "error"),
    [(fails_in_the_block, KeyboardInterrupt), (fails_to_rename, InputError), (fails_to_grow, InputError)],
)
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, fails: Callable[[Path], None], error: type[BaseException]
) -> None:
    with pytest.raises(error) as caught:
        fails(tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_real_chunked_and_compressed_images_are_read_whole(cifar_cat_files: tuple[Path, Path]) -> None:
    data = load(cifar_cat_files[0], dtype=torch.float64, seed=1)
    assert (data.n_x, data.train.m, data.test.m, data.classes) == (3072, 4000, 1000, CLASSES)
    for path, kind, split in zip(cifar_cat_files, ("train", "test"), (data.train, data.test), strict=True):
        with h5py.File(path) as file:
            x, y = file[f"{kind}_set_x"][...], file[f"{kind}_set_y"][...]
        assert np.array_equal(split.X.numpy(), x.reshape(len(x), -1).T / 255)
        assert np.array_equal(split.Y.numpy(), y[None])
