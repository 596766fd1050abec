"""`torchbasics check` from the outside: what it prints, what it writes, how it exits, and how it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stand_in
from reports import one_over_m_missing, report, right

import torchbasics
from torchbasics.check.config import CheckConfig
from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.cli import main
from torchbasics.errors import InputError

FOUND = {
    "right.py": report(right(), file="right.py"),
    "wrong.py": report(right(), one_over_m_missing(), file="wrong.py"),
    "odd.ipynb": Report("odd.ipynb", "unchecked", "no function is called backward [or so]"),
}


@pytest.fixture(autouse=True)
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """An empty folder but for the files, and in it; with what every check is called with, which finds what is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in FOUND:
        Path(name).write_text("the user's own")
    calls: list[dict[str, Any]] = []

    def check_files(
        paths: Sequence[Path], options: Options, *, done: Callable[[int], None], **limits: float
    ) -> list[Report]:
        calls.append({"paths": list(paths), "options": options, **limits})
        for count in range(len(paths)):
            done(count + 1)
        return [FOUND[path.name] for path in paths]

    monkeypatch.setattr("torchbasics.check.jobs.check_files", check_files)
    return calls


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(["check", *arguments])
    assert isinstance(exit.value.code, int)
    return exit.value.code


def outside(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "torchbasics", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


# What it says


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["right.py"], 0),
        (["right.py", "right.py"], 0),
        (["wrong.py"], 1),
        (["wrong.py", "right.py"], 1),
        (["odd.ipynb"], 2),
        (["wrong.py", "odd.ipynb", "right.py"], 2),
    ],
)
def test_the_exit_code_is_the_worst_that_was_found(files: list[str], code: int) -> None:
    assert run(*files) == code


def test_of_one_file_the_report_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run("wrong.py")
    assert capsys.readouterr() == (f"{FOUND['wrong.py']}\n", "")


def test_of_several_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    run(*FOUND)
    said, errors = capsys.readouterr()
    assert errors == ""
    assert said.splitlines() == [
        "file       verdict      right  rounding",
        "right.py   right          1/1       0.9",
        "wrong.py   wrong          1/2   1.3e+15",
        "  dW2, line 41: yours / autograd = 7.00 = m everywhere: the 1/m of  dW2 = 1/m dZ2 A1^T  is missing",
        "odd.ipynb  unchecked",
        "  no function is called backward [or so]",
        "",
        "1 right, 1 wrong, 1 unchecked",
    ]


def test_help_says_that_a_file_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "A file is checked by RUNNING it" in said
    assert "Exit code 2 if any file could not be checked, else 1 if any is wrong, else 0." in said


def test_options_reach_the_check(called: list[dict[str, Any]]) -> None:
    names = ["--forward", "f", "--cost", "c", "--backward", "b", "--seed", "3", "--dtype", "float32"]
    sizes = ["--shape", "W1=5,4", "X=4,7", "b=", "--layers", "5,4,", "3,1"]
    assert run("right.py", *names, *sizes, "--jobs", "9", "--timeout", "2.5", "--memory", "1") == 0
    expected = Options("f", "c", "b", {"W1": (5, 4), "X": (4, 7), "b": ()}, (5, 4, 3, 1), 3, "float32")
    limits = {"jobs": 1, "timeout": 2.5, "memory": 1.0}
    assert called == [{"paths": [Path("right.py")], "options": expected, **limits}]


def test_without_a_file_everything_built_in_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [report(right(), file="layers.Linear"), report(right(), file="losses.SquaredError")]
    monkeypatch.setitem(sys.modules, "torchbasics.check.networks.builtin", SimpleNamespace(check_builtin=lambda: found))
    assert run() == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:3]] == [
        ["layers.Linear", "right"],
        ["losses.SquaredError", "right"],
    ]
    found[0].verdict = "wrong"
    assert run() == 1


# What it writes


def test_json_has_the_documented_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("wrong.py", "odd.ipynb", "--json", "out.json") == 2
    assert capsys.readouterr().out.endswith("wrote out.json\n")
    written = json.loads(Path("out.json").read_text())
    assert written == {"files": [FOUND["wrong.py"].to_json(), FOUND["odd.ipynb"].to_json()]}
    quantity = written["files"][0]["quantities"][1]
    assert quantity["causes"][0]["id"] == "one_over_m_missing"
    assert set(quantity) == {
        *("name", "verdict", "line", "shape", "rounding_units", "relative_error", "worst_index", "yours", "reference"),
        *("reference_kind", "difference_quotient", "note", "causes"),
    }


def test_a_report_takes_the_place_of_a_report() -> None:
    Path("empty.html").touch()
    for arguments in (["--json", "a.json", "--html", "a.html"], ["--html", "empty.html"]):
        for name in ("right.py", "wrong.py"):
            run(name, *arguments)
    assert json.loads(Path("a.json").read_text())["files"][0]["file"] == "wrong.py"
    for page in ("a.html", "empty.html"):
        assert "dW2 disagrees with autograd" in Path(page).read_text()
    assert sorted(os.listdir()) == ["a.html", "a.json", "empty.html", *sorted(FOUND)]
    mask = os.umask(0)
    os.umask(mask)
    assert Path("a.json").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_link_stays_a_link() -> None:
    Path("real.json").write_text("")
    Path("link.json").symlink_to("real.json")
    run("wrong.py", "--json", "link.json")
    assert Path("link.json").is_symlink()
    assert "dW2" in Path("real.json").read_text()


def test_tensorboard_gets_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("wrong.py", "right.py", "--run", "runs/check") == 1
    assert sorted(os.listdir("runs/check")) == ["0-wrong.py", "1-right.py"]
    assert capsys.readouterr().out.endswith("tensorboard --logdir runs/check\n")


# How it refuses


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.py"], "nowhere.py: there is no such file"),
        (["right.py", "nowhere.py"], "nowhere.py: there is no such file"),
        (["folder"], "folder is a folder; expected .py or .ipynb files, such as folder/*.py"),
        (["data.csv"], "data.csv is neither a .py nor an .ipynb file"),
        (["right.py", "--json", "right.py"], "--json right.py exists and is no report of torchbasics check"),
        (["right.py", "--html", "right.py"], "--html right.py exists and is no report of torchbasics check"),
        (["right.py", "--json", "data.csv"], "--json data.csv exists and is no report of torchbasics check"),
        (["right.py", "--json", "theirs.json"], "--json theirs.json exists and is no report of torchbasics check"),
        (["right.py", "--html", "picture.png"], "--html picture.png exists and is no report of torchbasics check"),
        (["right.py", "--json", os.devnull], f"--json {os.devnull} exists and is no report"),
        (["right.py", "--json", "folder"], "--json folder is a folder; expected a file's name in it"),
        (["right.py", "--json", "no/a.json"], "--json no/a.json: the folder no does not exist; make it"),
        (["right.py", "--html", "new", "--json", "./new"], "--json and --html are both new; expected a file each"),
        (["right.py", "--run", "."], "--run . is not empty; expected a folder that is new or empty"),
        (["right.py", "--run", "data.csv"], "--run data.csv is a file; expected a folder that is new or empty"),
        (["right.py", "--shape", "W1=5,x"], "--shape W1=5,x: expected positive whole numbers, such as W1=5,4"),
        (["right.py", "--shape", "W1=0"], "--shape W1=0: expected positive whole numbers"),
        (["right.py", "--shape", "5,4"], "--shape 5,4: expected NAME=SIZE,SIZE, such as W1=5,4"),
        (
            ["--shape", "W1=5,4", "right.py"],
            "--shape right.py: expected NAME=SIZE,SIZE, such as W1=5,4; files go before",
        ),
        (["right.py", "--layers", "5"], "--layers 5: expected two sizes or more, such as 5,4,3,1"),
        (["right.py", "--layers", "5,a"], "--layers 5,a: expected positive whole numbers, such as 5,4,3,1"),
        (["right.py", "--seed", "-1"], "--seed -1: expected 0 to 4294967295"),
        (["right.py", "--jobs", "0"], "--jobs 0: expected 1 or more"),
        (["right.py", "--timeout", "nan"], "--timeout nan: expected a positive number of seconds"),
        (["right.py", "--memory", "-1"], "--memory -1: expected a positive number of GiB"),
        (["right.py", "--dtype", "float16"], "--dtype float16: did you mean 'float"),
        (["right.py", "--jsn", "a"], "check has no option --jsn; did you mean '--json'?"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_run(
    arguments: list[str], said: str, called: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder").mkdir()
    Path("data.csv").write_text("1,2\n")
    Path("theirs.json").write_text('{"files": ["a", "b"]}')
    Path("picture.png").write_bytes(b"\x89PNG\xff")
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert run(*arguments) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("torchbasics: ")
    assert said in errors
    assert errors.count("\n") == 1
    assert called == []
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_extremes_are_taken(seed: int) -> None:
    config = CheckConfig((Path("right.py"),), seed=seed, timeout=0.001, memory=1e-6, jobs=1, layers=("1,1",))
    config.check()
    assert config.options().layers == (1, 1)
    with pytest.raises(InputError, match="--seed"):
        CheckConfig(seed=2**32).check()


def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("right.py", "--json", "out.json")
    before = Path("out.json").read_text()

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert run("wrong.py", "--json", "out.json") == 2
    assert "out.json could not be written: No space left on device" in capsys.readouterr().err
    assert Path("out.json").read_text() == before
    assert sorted(os.listdir()) == ["odd.ipynb", "out.json", "right.py", "wrong.py"]


# With the processes


def test_from_the_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(tmp_path / "stand_in", monkeypatch)
    for name, source in (("gut_ü.py", "print('loud')"), ("wrong[b].py", ""), ("raises.py", "raise ValueError('ß')")):
        Path(name).write_text(source)
    done = outside(
        "gut_ü.py", "wrong[b].py", "raises.py", "--json", "o.json", "--html", "o.html", PYTHONIOENCODING="ascii"
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines() == [
        "file         verdict      right  rounding",
        "gut_\\xfc.py     right",
        "wrong[b].py  wrong          0/1   9.0e+09",
        "  dW, line 3: the sign is flipped; it should be  dW = [x]",
        "raises.py    unchecked",
        "  ValueError: \\xdf",
        "",
        "1 right, 1 wrong, 1 unchecked",
        "wrote o.json",
        "wrote o.html",
    ]
    assert [file["verdict"] for file in json.loads(Path("o.json").read_text())["files"]] == [
        "right",
        "wrong",
        "unchecked",
    ]
    # The picture has come from the other process.
    assert "1 of 2 entries are wrong" in Path("o.html").read_text()


def test_a_real_derivation_is_judged_in_its_process() -> None:
    program = Path(__file__).parent / "programs" / "two_layer_tanh.py"
    source = program.read_text()
    Path("mine.py").write_text(source)
    place = str(Path(torchbasics.__file__).parents[1])
    assert outside("mine.py", PYTHONPATH=place).returncode == 0
    assert source.count("dW2 = 1 / m * np.dot(dZ2, A1.T)") == 1
    Path("mine.py").write_text(source.replace("dW2 = 1 / m * np.dot", "dW2 = np.dot"))
    done = outside("mine.py", "--layers", "8,5,1", PYTHONPATH=place)
    assert (done.returncode, done.stderr) == (1, "")
    assert "dW2 disagrees with autograd" in done.stdout
    assert done.stdout.splitlines()[-1] == "wrong: 1 of 6 quantities, first dW2"
