"""The command line from the outside: what it prints, what it writes, how it exits, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

import torchbasics
from torchbasics.cli import COMMANDS, main
from torchbasics.training import checkpoint, log
from torchbasics.training.config import TrainConfig

# The process of its own draws its figures none the less.
pytestmark = pytest.mark.usefixtures("nothing_drawn")

M, M_TEST, SIZE = 23, 9, 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def outside(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m torchbasics` in a process of its own, with no warning let pass."""
    command = [sys.executable, "-W", "error", "-m", "torchbasics", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def environment() -> dict[str, str]:
    """This package, whichever is installed, on one thread like the rest of these tests."""
    return os.environ | {"PYTHONPATH": str(Path(torchbasics.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def inside(*arguments: str) -> int:
    """The same without the seconds that importing torch takes; the exit code."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert isinstance(exit.value.code, int)
    return exit.value.code


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, and every folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def hdf5(kind: str, m: int, path: str | None = None, **changes: object) -> str:
    """One of the two files of a data set of 4x4x3 pictures; `changes` replace datasets, None removes one."""
    random = np.random.default_rng(m)
    arrays: dict[str, object] = {
        f"{kind}_set_x": random.integers(0, 256, (m, SIZE, SIZE, 3), dtype=np.uint8),
        f"{kind}_set_y": np.arange(m) % 2,
        "list_classes": np.array([b"non-cat", b"cat"]),
    }
    name = path or f"{kind}_small.h5"
    with h5py.File(name, "w") as file:
        for key, array in (arrays | changes).items():
            if array is not None:
                file[key] = array
    return name


def both_files(**changes: object) -> str:
    hdf5("test", M_TEST)
    return hdf5("train", M, **changes)


def small_run(*arguments: str) -> None:
    assert inside("train", "--data", both_files(), "--layers", "48,5,1", "--iterations", "4", *arguments) == 0


# Help


def test_help_and_version_answer_without_importing_anything_heavy() -> None:
    script = f"""
import contextlib, io, json, sys
from torchbasics.cli import main
said = []
for arguments in {[["--help"], *([command, "--help"] for command in COMMANDS), ["--version"]]!r}:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main(arguments)
        except SystemExit as exit:
            said.append([exit.code, out.getvalue()])
heavy = {{"torch", "torchvision", "numpy", "h5py", "sklearn", "matplotlib", "tensorboard", "PIL", "scipy"}}
print(json.dumps([said, sorted(heavy & sys.modules.keys())]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=True)
    said, heavy = json.loads(done.stdout)
    assert done.stderr == ""
    assert heavy == []
    assert [code for code, _ in said] == [0] * (2 + len(COMMANDS))
    (_, top), *commands, (_, version) = said
    assert version == f"torchbasics {torchbasics.__version__}\n"
    for command, (_, text) in zip(COMMANDS, commands, strict=True):
        assert command in top
        assert f"torchbasics {command}" in text
    train_help = " ".join(commands[0][1].split())
    for option in ("--data", "--test-data", "--layers", "--activation", "--engine", "--iterations", "--learning-rate"):
        assert option in train_help
    for option in ("--optimizer", "--batch-size", "--init", "--seed", "--device", "--dtype", "--run", "--runs-dir"):
        assert option in train_help
    # A field's docstring is its help.
    assert "alpha in W := W - alpha dW." in train_help


@pytest.mark.parametrize(("own", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_are_told_to_sleep_while_they_wait_before_torch_is_there(own: str | None, expected: str) -> None:
    script = """
import os, sys

class Asked:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))
            sys.exit(7)

sys.meta_path.insert(0, Asked())
from torchbasics.cli import main
assert os.environ.get("OMP_WAIT_POLICY") == OWN, "an import has changed it"
sys.argv = ["torchbasics", "train"]
main()
""".replace("OWN", repr(own))
    changed = {name: value for name, value in environment().items() if name != "OMP_WAIT_POLICY"}
    changed |= {"OMP_WAIT_POLICY": own} if own else {}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=changed, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{expected}\n", "")


# Real runs


def test_a_run_from_the_outside_leaves_its_files_and_says_where(folder: Path) -> None:
    done = outside("train", "--iterations", "12")
    assert (done.returncode, done.stderr) == (0, "")
    run = folder / "runs" / "deep-digits"
    assert sorted(os.listdir(folder)) == ["runs"]
    assert os.listdir(folder / "runs") == ["deep-digits"]
    expected = ["checkpoint.pt", "config.json", "costs.png", "difference", "log.csv", "manual", "torch"]
    assert sorted(os.listdir(run)) == expected
    names, steps = log.read(run)
    assert (names, len(steps)) == (["manual", "torch"], 12)
    saved = checkpoint.load(run)
    assert (saved["iteration"], saved["classes"], saved["image"]) == (12, ["odd", "even"], [8, 8, 1])
    assert TrainConfig.from_dict(json.loads((run / "config.json").read_text())).layers == ("64", "20", "7", "5", "1")
    for said in (
        "deep 64-20-7-5-1 on digits: 1,437 + 360 examples, gd, learning rate 0.03",
        "after 12 iterations",
        "train accuracy",
        "test accuracy",
        "largest |J_manual - J_torch|",
        "tensorboard --logdir runs/deep-digits\n",
        "torchbasics predict runs/deep-digits IMAGE\n",
    ):
        assert said in done.stdout, said
    for name in ("manual", "torch", "difference"):
        events = sorted(path.name for path in (run / name).iterdir())
        assert all(event.startswith("events.out.tfevents.") for event in events)
        assert [event.endswith(".hparams") for event in events] == ([False] if name == "difference" else [False, True])


def test_the_cats_train_from_the_courses_file_alone(
    cat_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert inside("train", "logistic", "--data", str(cat_files[0]), "--iterations", "3") == 0
    out = capsys.readouterr().out
    assert "logistic 12288-1 on catvnoncat: 209 + 50 examples, gd, learning rate 0.005" in out
    run = Path("runs/logistic-catvnoncat")
    assert log.read(run)[1][0].costs == pytest.approx((np.log(2), np.log(2)), rel=1e-12)
    assert checkpoint.load(run)["classes"] == ["non-cat", "cat"]


def test_a_run_by_name_goes_on_from_where_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run("--run", "mine")
    before = os.getcwd()
    for run, iterations in (("mine", 6), ("runs/mine", 7), (str(folder / "runs" / "mine"), 8)):
        assert inside("resume", run, "--iterations", str(iterations)) == 0
        assert f"after {iterations} iterations" in capsys.readouterr().out
    assert os.getcwd() == before
    assert os.listdir("runs") == ["mine"]
    assert len(log.read(Path("runs/mine"))[1]) == 8


def test_a_second_run_without_a_name_gets_a_number() -> None:
    small_run()
    small_run()
    assert sorted(os.listdir("runs")) == ["deep-small", "deep-small-2"]


def test_ctrl_c_from_the_outside_ends_with_130_and_a_run_that_goes_on(folder: Path) -> None:
    hdf5("test", M_TEST)
    data = hdf5("train", M)
    command = [sys.executable, "-W", "error", "-m", "torchbasics", "train", "--data", data, "--layers", "48,5,1"]
    command += ["--iterations", "100000000", "--run", "stopped"]
    rows = folder / "runs" / "stopped" / log.NAME
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            # The first 64 rows reach the file together; until then, wait for an end that does not come.
            while not (rows.exists() and rows.read_bytes().count(b"\n") > 64):
                try:
                    process.wait(timeout=0.02)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"ended by itself: {process.communicate()}")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (130, "")
    done = checkpoint.load(rows.parent)["iteration"]
    assert done >= 64
    assert len(log.read(rows.parent)[1]) == done
    assert f"stopped after {done:,} of 100,000,000 iterations" in " ".join(out.split())
    assert "torchbasics resume runs/stopped\n" in out
    assert inside("resume", "stopped", "--iterations", str(done + 3)) == 0
    assert [step.iteration for step in log.read(rows.parent)[1]] == list(range(done + 3))


# Predict


def by_numpy(run: Path, X: np.ndarray) -> np.ndarray:
    """p(label 1) from the checkpoint's numbers alone: a ReLU network, a sigmoid at its end."""
    parameters = [value.double().numpy() for value in checkpoint.load(run)["engines"]["manual"]["parameters"].values()]
    A = X
    for k in range(0, len(parameters), 2):
        Z = parameters[k] @ A + parameters[k + 1]
        A = np.maximum(Z, 0) if k + 2 < len(parameters) else 1 / (1 + np.exp(-Z))
    return A[0]


def printed(line: str) -> tuple[str, str, str, float]:
    path, name, p, equals, value = line.split()
    assert equals == "="
    return path, name, p, float(value)


def test_predict_classifies_pictures_of_any_size_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    small_run()
    # Trained on noise it would say the same of everything: it gets parameters that tell pictures apart.
    saved = checkpoint.load(Path("runs/deep-small"))
    g = torch.Generator().manual_seed(0)
    parameters = list(saved["engines"]["manual"]["parameters"].values())
    for value in parameters:
        value.copy_(torch.randn(value.shape, generator=g) / value.shape[1] ** 0.5)
    parameters[-1] -= 0.5
    checkpoint.save(Path("runs/deep-small"), saved)
    capsys.readouterr()
    random = np.random.default_rng(1)

    def noise(*shape: int) -> np.ndarray:
        return random.integers(0, 256, shape, dtype=np.uint8)

    red = np.zeros((SIZE, SIZE, 3), dtype=np.uint8) + np.array([255, 0, 10], dtype=np.uint8)
    # What each is to the network, (4, 4, 3), said without the package where it can be.
    grey, odd, colours, hidden = noise(SIZE, SIZE), noise(7, 13, 3), noise(SIZE, SIZE, 3), noise(SIZE, SIZE, 4)
    hidden[..., 3] = 0
    Image.fromarray(colours).save("colours.png")
    Image.fromarray(grey).save("grey.png")
    Image.fromarray(odd).save("odd.bmp")
    Image.fromarray(np.kron(red, np.ones((5, 9, 1), dtype=np.uint8))).save("large.png")
    Image.fromarray(hidden).save("transparent.png")
    resized = functional.resize(torch.from_numpy(odd).permute(2, 0, 1), [SIZE, SIZE], antialias=True)
    expected = {
        "colours.png": colours,
        "grey.png": np.stack([grey] * 3, axis=-1),
        "odd.bmp": resized.permute(1, 2, 0).numpy(),
        "large.png": red,
        "transparent.png": np.full((SIZE, SIZE, 3), 255),
    }
    assert inside("predict", "deep-small", *expected) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [printed(line) for line in said.out.splitlines()]
    X = np.stack([picture.reshape(-1) / 255 for picture in expected.values()], axis=1)
    probabilities = by_numpy(Path("runs/deep-small"), X)
    assert [path for path, *_ in lines] == list(expected)
    for (_, name, p, value), probability in zip(lines, probabilities, strict=True):
        assert p == "p(cat)"
        assert value == pytest.approx(probability, abs=0.5001e-4)
        assert name == ("cat" if probability > 0.5 else "non-cat")
    assert any(0.2 < p < 0.5 for p in probabilities)
    assert any(0.5 < p < 0.8 for p in probabilities), "only two sides, neither extreme, show where the line is"


def test_a_run_on_grey_digits_takes_a_colour_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert inside("train", "--iterations", "30") == 0
    capsys.readouterr()
    digit = np.zeros((8, 8), dtype=np.uint8)
    digit[1:7, 3:5] = 240
    Image.fromarray(np.stack([digit] * 3, axis=-1)).save("one.png")
    assert inside("predict", "runs/deep-digits", "one.png") == 0
    _, name, p, value = printed(capsys.readouterr().out)
    probability = by_numpy(Path("runs/deep-digits"), digit.reshape(-1, 1) / 255).item()
    assert (p, name) == ("p(even)", "even" if probability > 0.5 else "odd")
    assert value == pytest.approx(probability, abs=0.5001e-4)


def test_predict_says_nothing_if_one_picture_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run()
    capsys.readouterr()
    Image.new("RGB", (30, 20), "navy").save("a.jpg")
    (folder / "b.jpg").write_bytes(b"no picture")
    before = listing(folder)
    assert inside("predict", "runs/deep-small", "a.jpg", "b.jpg") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("torchbasics: b.jpg cannot be read as a picture")
    assert said.err.count("\n") == 1
    assert listing(folder) == before


# data build


def test_data_build_makes_files_that_train_takes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True)
        for k in range(5):
            Image.fromarray(random.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(
                folder / "pets" / name / f"{k}.png"
            )
    assert inside("data", "build", "pets", "--size", "4", "--positive", "cat") == 0
    said = capsys.readouterr().out
    train_file = next(Path().glob("train_*.h5"))
    assert f"torchbasics train --data {train_file}" in said
    assert inside("train", "logistic", "--data", str(train_file), "--iterations", "2") == 0
    assert "logistic 48-1" in capsys.readouterr().out


# Bad input: one line, exit 2, nothing written


def assert_refused(
    arguments: Sequence[str], said: Sequence[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error that has every piece of `said`, nothing on standard output, nothing written."""
    before = listing(folder)
    capsys.readouterr()
    code = inside(*arguments)
    captured = capsys.readouterr()
    assert listing(folder) == before
    assert captured.out == ""
    assert captured.err.startswith("torchbasics: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    assert captured.err[:-1].isprintable()
    for piece in said:
        assert piece in captured.err
    # Nothing of how it is parsed shows through.
    for inner in ("None", "instantiated", "NoneType", "Traceback", ".;", "Errno"):
        assert inner not in captured.err
    assert code == 2


WORDS = [
    ("", ["train", "resume", "predict", "data"]),
    ("trian", ["trian", "did you mean 'train'?"]),
    ("train deeep", ["deeep", "did you mean 'deep'?"]),
    ("train --engine manul", ["--engine manul", "did you mean 'manual'?", "both, manual, torch"]),
    ("train --optimizer adamm", ["--optimizer adamm", "did you mean 'adam'?"]),
    (
        "train --activation rel",
        ["--activation rel", "did you mean 'relu'?", "(known: elu, gelu, leaky-relu, relu, "],
    ),
    ("train --init zero", ["--init zero", "did you mean 'zeros'?", "(known: he, small, sqrt, xavier, zeros)"]),
    ("train --dtype float16", ["--dtype float16", "float32, float64"]),
    ("train --lerning-rate 3", ["--lerning-rate", "did you mean '--learning-rate'?"]),
    ("train deep extra", ["extra"]),
    ("train --test-fraction 0.1", ["train has no option --test-fraction", "--test-data"]),
    ("train --iterations x", ["--iterations x", "whole number"]),
    ("train --iterations 1.5", ["--iterations 1.5", "whole number"]),
    ("train --seed one", ["--seed one", "whole number"]),
    ("train --batch-size 1e3", ["--batch-size 1e3", "whole number"]),
    ("train --learning-rate fast", ["--learning-rate fast", "number"]),
    ("train --learning-rate -0.1", ["--learning-rate -0.1", "expected a positive number"]),
    ("train --learning-rate nan", ["--learning-rate nan", "expected a positive number"]),
    ("train --iterations 0", ["--iterations 0", "1 or more"]),
    ("train --batch-size -1", ["--batch-size -1", "1 or more"]),
    ("train --learning-rate", ["--learning-rate"]),
    ("train --layers", ["--layers"]),
    ("train --layers 63,5,1", ["--layers 63,5,1", "the first size must be n_x = 64", "64,20,7,5,1"]),
    ("train --layers 64,5,,1", ["--layers 64,5,,1", "whole numbers"]),
    ("train --layers 64,1_0,1", ["--layers 64,1_0,1", "whole numbers"]),
    ("train --layers 64,99999999999999999999,1", ["--layers 64,99999999999999999999,1"]),
    ("train --layers 64,5,2", ["the last size must be 1"]),
    ("train --layers -64,1", ["--layers -64,1", "positive"]),
    ("train logistic --layers 64,5,1", ["logistic takes 2 sizes"]),
    ("train --device cuda", ["--device cuda", "leave --device out"]),
    ("train --device gpu", ["--device gpu", "auto, cpu, cuda, mps"]),
    ("train --data digts", ["'digts'", "did you mean 'digits'?"]),
    ("train --data nosuch.h5", ["no such file: nosuch.h5"]),
    ("train --test-data x.h5", ["--test-data"]),
    ("train --run a/b", ["--run", "--runs-dir"]),
    ("train --run ..", ["--run"]),
    ("train --run " + "r" * 300, ["--run"]),
    ("train --data " + "d" * 300, ["no data set"]),
    ("resume", ["resume"]),
    ("resume nothing", ["nothing", "no run"]),
    ("predict", ["predict"]),
    ("predict nothing a.png", ["nothing", "no run"]),
    ("data", ["data"]),
    ("data build", ["data"]),
    ("data bild x", ["bild", "did you mean 'build'?"]),
    ("data build CIFAR1O", ["'CIFAR1O'", "did you mean 'CIFAR10'?"]),
    ("data build no/folder", ["no such folder: no/folder"]),
    ("data build CIFAR10 --size 0", ["size 0"]),
    ("data build CIFAR10", ["CIFAR10", "--download"]),
]


@pytest.mark.parametrize(("arguments", "said"), WORDS, ids=[arguments[:40] or "nothing" for arguments, _ in WORDS])
def test_bad_words(
    arguments: str,
    said: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert_refused(arguments.split(), said, folder, capsys)


def truncated(path: str) -> str:
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    return path


def text_file(path: str) -> str:
    Path(path).write_text("not HDF5 at all\n")
    return path


X = np.zeros((M, SIZE, SIZE, 3), dtype=np.uint8)
FILES = {
    "not HDF5": (lambda: text_file("train_small.h5"), ["train_small.h5", "is not an HDF5 file"]),
    "truncated": (lambda: truncated(both_files()), ["train_small.h5", "truncated"]),
    "missing x": (lambda: both_files(train_set_x=None), ["no train_set_x", "list_classes, train_set_y"]),
    "missing y": (lambda: both_files(train_set_y=None), ["no train_set_y", "list_classes, train_set_x"]),
    "no test set": (lambda: hdf5("train", M), ["no test set", "--test-data"]),
    "labels": (lambda: both_files(train_set_y=np.arange(M)), ["train_set_y", "labels other than 0 and 1"]),
    "negative labels": (lambda: both_files(train_set_y=np.arange(M) % 2 * 2 - 1), ["train_set_y", "-1"]),
    "different m": (lambda: both_files(train_set_y=np.arange(M - 1) % 2), ["23 examples", "22 labels", "the same m"]),
    "empty": (lambda: both_files(train_set_x=X[:0], train_set_y=np.zeros(0)), ["train_set_x", "empty"]),
    "NaN": (
        lambda: both_files(train_set_x=np.where(np.arange(48) == 5, np.nan, X.reshape(M, 48))),
        ["train_set_x", "NaN"],
    ),
    "sizes": (lambda: both_files(train_set_x=np.zeros((M, 5, 4, 3), dtype=np.uint8)), ["5x4x3", "4x4x3", "the same"]),
    "folder of nothing": (lambda: str(Path("pets").mkdir() or "pets"), ["pets has no folder per class"]),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_files(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, said = FILES[case]
    assert_refused(["train", "--data", make()], said, folder, capsys)


def test_a_taken_name_a_finished_run_and_a_run_without_pictures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run("--run", "mine")
    assert_refused(
        ["train", "--data", "train_small.h5", "--run", "mine"],
        ["runs/mine exists", "torchbasics resume runs/mine --iterations N", "choose another name"],
        folder,
        capsys,
    )
    assert_refused(["resume", "mine"], ["runs/mine", "its 4 iterations", "more than 4"], folder, capsys)
    assert_refused(["resume", "mine", "--iterations", "3"], ["more than 4"], folder, capsys)
    # A run's name that isn't one says which there are, though it was looked for in ./runs too.
    assert_refused(["resume", "mien"], ["mien", "mine"], folder, capsys)
    assert_refused(["predict", "mien", "a.png"], ["mien", "mine"], folder, capsys)
    assert_refused(["predict", "mine"], ["predict", "IMAGE"], folder, capsys)
    assert_refused(["predict", "mine", "absent.png"], ["no such file: absent.png"], folder, capsys)
    assert_refused(["predict", "mine", "train_small.h5"], ["train_small.h5", "cannot be read"], folder, capsys)
    # A folder of the run's name in the way, such as the pictures it was trained on.
    (folder / "mine").mkdir()
    assert inside("resume", "mine", "--iterations", "5") == 0
    hdf5("test", M_TEST, test_set_x=np.zeros((M_TEST, 6)))
    table = hdf5("train", M, train_set_x=np.random.default_rng(0).normal(size=(M, 6)))
    assert inside("train", "logistic", "--data", table, "--iterations", "2", "--run", "table") == 0
    assert_refused(["predict", "table", "absent.png"], ["runs/table", "no pictures"], folder, capsys)
    text_file("runs/table/checkpoint.pt")
    assert_refused(["resume", "table", "--iterations", "9"], ["runs/table/checkpoint.pt"], folder, capsys)


def test_a_runs_folder_that_cannot_be_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = both_files()
    text_file("taken")
    assert_refused(["train", "--data", data, "--runs-dir", "taken"], ["taken", "--runs-dir"], folder, capsys)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_refused_alike_from_the_outside_whatever_the_terminals_encoding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = outside("train", "--engine", "manul")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "torchbasics: --engine manul: did you mean 'manual'? (known: both, manual, torch)\n"
    assert listing(folder) == {}


def test_a_diverging_run_exits_2_with_its_log_kept(capsys: pytest.CaptureFixture[str]) -> None:
    data = both_files()
    capsys.readouterr()
    assert inside("train", "--data", data, "--layers", "48,6,4,1", "--learning-rate", "1e200") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.startswith("torchbasics: the cost became ")
    assert "at iteration" in said.err
    assert "try --learning-rate" in said.err
    steps = log.read(Path("runs/deep-small"))[1]
    assert not steps[-1].finite
    assert all(step.finite for step in steps[:-1])


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    small_run("--run", "mine")
    for k in range(3):
        Image.new("RGB", (5, 5)).save(f"{k}.png")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "torchbasics", "predict", "mine", "0.png", "1.png", "2.png"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_output_that_cannot_be_written_is_no_verdict() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "torchbasics", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("torchbasics: the output can't be written: ")
    assert done.stderr.count("\n") == 1
