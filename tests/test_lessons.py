"""`torchbasics lessons` from the outside, with lessons made for it; and what every lesson of ours has."""

import ast
import base64
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated

import pytest
import tyro
from PIL import Image
from rich.console import Console

import torchbasics
from torchbasics.arguments import parse_options
from torchbasics.cli import main
from torchbasics.errors import InputError
from torchbasics.files import write as write_file
from torchbasics.lessons import catalogue
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, run
from torchbasics.lessons.page import page
from torchbasics.lessons.results import PICTURE, VERDICT, Result, newest

ROOT = Path(__file__).parents[1]
OURS = catalogue.lessons()
_file = io.BytesIO()
Image.new("L", (2, 2)).save(_file, "PNG")
PNG = _file.getvalue()

# A lesson in nothing but Python, since importing torch takes seconds; `true_lesson` is one as ours are.
SCRIPT = '''"""{claim}

How it is shown.
"""

import argparse, json, os, signal, sys
from pathlib import Path

class Config:
    seed: int = 1
    """Seed."""
    {field}

parser = argparse.ArgumentParser()
for option in {options!r}:
    parser.add_argument(option)
given = parser.parse_args()
place = Path(given.runs_dir, "lessons")
name = Path(__file__).stem[10:]
folder = next(f for f in (place / (name + end) for end in ("", "-2", "-3")) if not f.exists())
folder.mkdir(parents=True)

def write(holds, words="J is 0.25"):
    environment = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]
    content = {{"lesson": 0, "name": name, "claim": {claim!r}, "holds": holds, "words": words, "numbers": {{"J": 0.25}},
        "options": {{**vars(given), "PYTHONPATH": environment}}, "arguments": sys.argv[1:], "seconds": 1.5}}
    (folder / "picture.png").write_bytes(bytes.fromhex({png!r}))
    (folder / "verdict.json").write_text(json.dumps(content))

print("this is", name, flush=True)
{body}
'''

TRUE_LESSON = '''"""What is written is read."""

from dataclasses import dataclass
from pathlib import Path
from matplotlib.figure import Figure
from torchbasics.lessons.lesson import Lesson, LessonConfig, Verdict, main

@dataclass(frozen=True)
class Config(LessonConfig):
    steps: int = 3
    """How many."""
    data: Path | None = None
    """The pictures, such as train_small.h5."""

def experiment(config: Config, lesson: Lesson) -> Verdict:
    for i in lesson.track(range(config.steps)):
        lesson.scalars("a", i, {"cost": 1 / (i + 1)})
    lesson.show(Figure(figsize=(3, 3)))
    return Verdict(False, "J is 1/3", {"J": 1 / 3, "m": 10000})

if __name__ == "__main__":
    main(Config, experiment)
'''

DATA = '''data: Path | None = None
    """The pictures, such as train_small.h5 of a course."""'''


def lesson(file: str, body: str, claim: str = "A claim that is made here.", field: str = "") -> None:
    """Make a script."""
    options = ["--seed", "--runs-dir", *(["--data"] if field else [])]
    text = SCRIPT.format(claim=claim, body=body, field=field, options=options, png=PNG.hex())
    Path("scripts", file).write_text(text)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for scripts of our making, and in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(catalogue, "FOLDERS", (tmp_path / "installed", tmp_path / "scripts"))
    Path("scripts").mkdir()
    lesson("lesson_01_holds.py", "write(True)  # not train_other.h5")
    lesson("lesson_02_denies.py", "write(False)", claim="A claim <b>that</b> is wrong.")
    lesson("lesson_03_crashes.py", "raise RuntimeError('the lesson is broken')")
    lesson("lesson_04_refuses.py", "sys.exit(2)")
    lesson("lesson_12_reads.py", "write(Path(given.data or __file__).exists())", field=DATA)
    Path("scripts/bench.py").touch()
    return tmp_path


def told(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(["lessons", *arguments])
    assert isinstance(exit.value.code, int)
    return exit.value.code


def files() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file() and path.parts[0] != "scripts"}


def written(name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(Path("runs", "lessons", name, VERDICT).read_text())
    return content


class Elements(HTMLParser):
    """Tags with their attributes, and the words of each section by its id ("" before the first)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = {"": ""}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "section":
            self.words[str(dict(attributes)["id"])] = ""

    def handle_data(self, data: str) -> None:
        self.words[list(self.words)[-1]] += f" {data}"


# Which there are


def test_the_list_has_every_claim_and_its_newest_verdict(capfd: pytest.CaptureFixture[str]) -> None:
    assert told("holds", "denies") == 1
    before = files()
    capfd.readouterr()
    assert told() == 0
    out = capfd.readouterr().out
    rows = [line.split(maxsplit=2) for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [row[:2] for row in rows] == [
        ["1", "holds"], ["2", "denies"], ["3", "crashes"], ["4", "refuses"], ["12", "reads"]
    ]  # fmt: skip
    assert "A claim <b>that</b> is wrong." in rows[1][2]
    assert [re.sub(r".*\.\s+", "", row[2]).strip() for row in rows] == ["holds", "does not hold", *["not run"] * 3]
    assert "this is" not in out
    assert files() == before


def test_the_list_writes_nothing() -> None:
    assert told() == 0
    assert not Path("runs").exists()


def test_names_and_numbers_choose_each_once() -> None:
    assert [entry.name for entry in catalogue.chosen(("reads", "1", "01", "holds"))] == ["reads", "holds"]
    assert [entry.number for entry in catalogue.chosen(("holds", "all"))] == [1, 2, 3, 4, 12]


def test_a_lesson_reads_the_file_that_it_names_if_it_has_the_option() -> None:
    assert [entry.data for entry in catalogue.lessons()] == [None] * 4 + ["train_small.h5"]


# Running them


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["holds"], 0),
        (["holds", "denies"], 1),
        (["refuses", "holds"], 2),
        (["3", "2", "1"], 2),
    ],
)
def test_the_exit_code_is_the_worst_that_was_found(names: list[str], code: int) -> None:
    assert told(*names) == code


def test_a_lesson_that_fails_stops_no_other_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert told("all") == 2
    out, err = capfd.readouterr()
    assert "RuntimeError: the lesson is broken" in err
    order = [out.index(f"this is {name}") for name in ("holds", "denies", "crashes", "refuses", "reads")]
    assert order == sorted(order)
    last = out[order[-1] :]
    assert re.search(r"1 +holds +holds +J is 0.25 +1\.5 *\n", last)
    assert re.search(r"2 +denies +does not hold +J is 0.25 +1\.5 *\n", last)
    assert re.search(r"3 +crashes +failed *\n", last)
    assert "failed:   3 crashes (exit code 1), 4 refuses (exit code 2)\n" in last
    assert f"page:     {Path('runs/lessons/index.html')}\n" in last
    assert "curves:   tensorboard --logdir runs/lessons\n" in last


def test_a_verdict_of_before_is_no_verdict_of_a_lesson_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    assert told("holds") == 0
    lesson("lesson_01_holds.py", "raise SystemExit(0)")
    assert told("holds") == 2
    assert "failed:   1 holds (exit code 0)" in capfd.readouterr().out
    elements = Elements(Path("runs/lessons/index.html").read_text())
    assert "exit code 0" in elements.words["holds"]
    assert "J is 0.25" not in elements.words["holds"]
    # Nor is one that it wrote before it broke.
    lesson("lesson_01_holds.py", "write(True)\nsys.exit(3)")
    assert told("holds") == 2
    assert "failed:   1 holds (exit code 3)" in capfd.readouterr().out


def test_options_reach_the_lessons(place: Path) -> None:
    Path("data").mkdir()
    Path("data/train_small.h5").touch()
    assert told("reads", "holds", "--seed", "7", "--runs-dir", "r", "--data-dir", "data", "--page", "p.html") == 0
    content = json.loads(Path("r/lessons/reads/verdict.json").read_text())
    assert content["options"] == {
        "seed": "7", "runs_dir": "r", "data": str(Path("data/train_small.h5")), "PYTHONPATH": str(place)
    }  # fmt: skip
    assert json.loads(Path("r/lessons/holds/verdict.json").read_text())["arguments"] == [
        "--seed",
        "7",
        "--runs-dir",
        "r",
    ]
    assert "reads" in Elements(Path("p.html").read_text()).words
    assert not Path("r/lessons/index.html").exists()


def test_a_lesson_that_was_stopped_stops_the_rest(capfd: pytest.CaptureFixture[str]) -> None:
    lesson("lesson_02_denies.py", "sys.exit(130)")
    assert told("1", "2", "12") == 130
    out = capfd.readouterr().out
    assert "this is reads" not in out
    assert "failed" not in out
    assert "J is 0.25" in Elements(Path("runs/lessons/index.html").read_text()).words["holds"]


def test_ctrl_c_leaves_the_page_of_what_is_done(place: Path) -> None:
    lesson(
        "lesson_02_denies.py",
        # Blocked, the signal can't come between the line that says so and the wait. To close its files takes a while.
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\nprint('it waits', flush=True)\n"
        "signal.sigwait({signal.SIGINT})\nsum(range(10**7))\nprint('closed its files')\nsys.exit(130)",
    )
    # What is started in a shell's background ignores Ctrl-C, and so would what it starts.
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    start += "from pathlib import Path; from torchbasics.lessons import catalogue; "
    start += "catalogue.FOLDERS = (Path('scripts'),); from torchbasics.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(Path(torchbasics.__file__).parents[1])}
    command = [sys.executable, "-c", start, "lessons", "1", "2", "12"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert process.stdout is not None
    while "it waits" not in process.stdout.readline():
        assert process.poll() is None
    # As the terminal does it: to every process in the foreground.
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert "closed its files" in out
    assert "this is reads" not in out
    elements = Elements(Path("runs/lessons/index.html").read_text())
    assert set(elements.words) == {"", "holds"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["hold"], "no lesson is called 'hold'; did you mean 'holds'? expected all, or some of: 1 holds, 2 denies"),
        (["all", "foo"], "no lesson is called 'foo'; expected all, or some of: 1 holds"),
        (["holds", "--page", "p" * 300], "ppp: File name too long; name another file"),
        (["5"], "no lesson is called '5'; expected all, or some of: 1 holds, 2 denies, 3 crashes, 4 refuses, 12 reads"),
        (["holds", "--seed", "-1"], "--seed -1: expected a whole number from 0 to 4294967295"),
        (["holds", "--runs-dir", "scripts/bench.py"], "can't make scripts/bench.py/lessons: Not a directory"),
        (["all", "--data-dir", "d"], "--data-dir d: train_small.h5 is not there, which lesson 12, reads, needs"),
        (["holds", "--data-dir", "scripts"], "--data-dir scripts: none of these lessons takes data; leave it out"),
        (["--data-dir", "scripts"], "--data-dir scripts: no lesson is to be run; name some, or all of them"),
        (["--page", "a.html"], "--page a.html: no lesson is to be run; name some, or all of them: lessons all"),
        (["holds", "--page", "scripts"], "--page scripts is a folder; expected a file's name in it"),
        (["holds", "--page", "none/a.html"], "--page none/a.html: the folder none does not exist"),
        (["holds", "--page", "scripts/lesson_01_holds.py"], "lesson_01_holds.py exists and is no page of torchbasics"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_runs(
    arguments: list[str], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert told(*arguments) == 2
    out, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert line in err
    assert out == ""
    assert not Path("runs").exists()
    assert files() == set()


def test_a_page_of_someone_elses_is_not_written_over(capfd: pytest.CaptureFixture[str]) -> None:
    Path("runs/lessons").mkdir(parents=True)
    Path("runs/lessons/index.html").write_text("my own")
    assert told("holds") == 2
    assert "runs/lessons/index.html exists and is no page of torchbasics lessons" in capfd.readouterr().err
    assert files() == {"runs/lessons/index.html"}
    assert Path("runs/lessons/index.html").read_text() == "my own"


def test_a_page_may_have_the_longest_name_there_is(place: Path) -> None:
    path = place / ("p" * 255)
    write_file(path, "a page")
    assert path.read_text() == "a page"
    assert files() == {path.name}


def test_installed_lessons_bring_no_folder_beside_them(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Beside an installed package may stand a folder `scripts` of someone else's.
    (place / "scripts").rename("installed")
    (place / "scripts").mkdir()
    monkeypatch.setenv("PYTHONPATH", "known")
    assert told("holds", "--runs-dir", "my runs") == 0
    content = json.loads(Path("my runs/lessons/holds", VERDICT).read_text())
    assert content["options"]["PYTHONPATH"] == "known"
    assert "tensorboard --logdir 'my runs/lessons'\n" in capfd.readouterr().out


def test_no_scripts_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "FOLDERS", (Path("installed"), Path("nowhere")))
    with pytest.raises(InputError, match="no lesson's script is in nowhere"):
        catalogue.lessons()


# What they leave


def leave(folder: str, name: str = "holds", **changes: object) -> None:
    """A run of a lesson, as of before."""
    content = {
        "lesson": 1, "name": name, "claim": "A claim.", "holds": True, "words": folder, "numbers": {"J": 1},
        "options": {}, "arguments": [], "seconds": 2,
    }  # fmt: skip
    Path("runs/lessons", folder).mkdir(parents=True)
    Path("runs/lessons", folder, VERDICT).write_text(json.dumps(content | changes))


def found(name: str = "holds") -> str | None:
    result = newest(Path("runs"), name)
    return result and result.words


def test_the_newest_run_is_the_highest_number_with_a_verdict() -> None:
    # Names that `holds` doesn't get.
    for folder in ("holds-1", "holds-013", "holds-x", "holds-14-2", "withholds-15", "holds_2-16"):
        leave(folder)
    assert found() is None
    for folder in ("holds", "holds-9", "holds-10"):
        leave(folder)
        assert found() == folder
    # Not yet done; another lesson's, which someone has renamed.
    Path("runs/lessons/holds-11").mkdir()
    leave("holds-12", name="denies")
    assert found() == "holds-10"


def test_a_name_may_end_as_a_number_does() -> None:
    leave("depth_2-3", name="depth_2")
    leave("depth_2", name="depth_2")
    leave("depth-2", name="depth")
    assert (found("depth_2"), found("depth")) == ("depth_2-3", "depth-2")


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "{}",
        '"holds"',
        "\udcff",
        "holds",
        "claim",
        "numbers",
        "words",
        "seconds",
        "options",
        "arguments",
        "name",
    ],
)
def test_a_damaged_verdict_is_said_and_passed_over(damage: str) -> None:
    leave("holds")
    if damage.isalpha():
        leave("holds-2", **{damage: None})
    else:
        leave("holds-2")
        Path("runs/lessons/holds-2", VERDICT).write_bytes(os.fsencode(damage))
    if damage == "name":
        assert found() == "holds"
    else:
        with pytest.warns(UserWarning, match=r"holds-2/verdict.json is damaged and passed over"):
            assert found() == "holds"


@pytest.mark.filterwarnings("default")
def test_the_list_says_what_is_damaged_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    leave("holds", words=3)
    assert told() == 0
    out, err = capfd.readouterr()
    path = Path("runs/lessons/holds", VERDICT)
    assert err == f"torchbasics: {path} is damaged and passed over; run the lesson again\n"
    assert "not run" in out


@dataclass(frozen=True)
class Config(LessonConfig):
    """Options of every kind."""

    depths: tuple[int, ...] = (1, 2)
    """Several."""

    scale: float = 0.01
    """One."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """One or none."""

    dropout: bool = False
    """Off."""


def experiment(config: Config, lesson: Lesson) -> Verdict:
    return Verdict(True, "as it is", {"J": config.scale})


def test_no_run_is_written_over_and_the_last_is_the_newest() -> None:
    console = Console(file=io.StringIO())
    for expected in ("x", "x-2", "x-3"):
        folder, _ = run(Config(), experiment, Path("lesson_01_x.py"), console)
        assert folder.name == expected
    # Those that were removed leave gaps, which a later run must not fill: it would count as older than x-3.
    for folder in (Path("runs/lessons/x"), Path("runs/lessons/x-2")):
        shutil.rmtree(folder)
    folder, _ = run(Config(), experiment, Path("lesson_01_x.py"), console)
    assert folder.name == "x-4"
    result = newest(Path("runs"), "x")
    assert result is not None
    assert result.folder == folder


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(seed=3, runs_dir=Path("other runs")),
        Config(depths=(5,), scale=1e-7, data=Path("a b/train_x.h5"), dropout=True),
    ],
)
def test_the_arguments_of_a_run_give_it_again(config: Config) -> None:
    run(config, experiment, Path("lesson_01_x.py"), Console(file=io.StringIO()))
    result = newest(config.runs_dir, "x")
    assert result is not None
    assert parse_options(Config, result.arguments, "x", "") == config
    assert (result.arguments == ()) == (config == Config())
    assert (result.claim, result.words, result.numbers) == ((__doc__ or ""), "as it is", {"J": config.scale})


# The page


def test_a_lesson_as_ours_are_comes_to_the_page() -> None:
    Path("scripts/lesson_07_true_lesson.py").write_text(TRUE_LESSON)
    Path("data").mkdir()
    Path("data/train_small.h5").touch()
    assert told("true_lesson", "--seed", "5", "--data-dir", "data") == 1
    elements = Elements(Path("runs/lessons/index.html").read_text())
    said = " ".join(elements.words["true_lesson"].split())
    data = Path("data/train_small.h5")
    assert said == (
        "7 true_lesson does not hold What is written is read. J is 1/3 its numbers, and the options it ran with "
        f"numbers J 0.3333 m 10,000 options seed 5 steps 3 data {data} "
        f"python scripts/lesson_07_true_lesson.py --seed 5 --data {data} "
        f"tensorboard --logdir runs/lessons/true_lesson It took {written('true_lesson')['seconds']:.1f} seconds."
    )


def test_the_page_has_every_lesson_and_needs_nothing_else() -> None:
    assert told("all") == 2
    html = Path("runs/lessons/index.html").read_text()
    elements = Elements(html)
    assert list(elements.words) == ["", "holds", "denies", "crashes", "refuses", "reads"]
    assert "2 of 5 hold, 1 does not hold, 2 failed" in elements.words[""]
    assert "A claim <b>that</b> is wrong." in elements.words["denies"]
    assert "torchbasics lessons holds --runs-dir runs" in elements.words["holds"]
    assert "exit code 1" in elements.words["crashes"]
    images = [attributes for tag, attributes in elements.tags if tag == "img"]
    assert [image["alt"] for image in images] == [
        f"The picture of lesson {lesson}: J is 0.25" for lesson in ("1, holds", "2, denies", "12, reads")
    ]
    source = base64.b64encode(PNG).decode()
    assert {image["src"] for image in images} == {f"data:image/png;base64,{source}"}
    links = [str(attributes["href"]) for tag, attributes in elements.tags if tag == "a"]
    assert links == [f"#{name}" for name in list(elements.words)[1:]]
    for tag, attributes in elements.tags:
        assert tag not in ("script", "link", "iframe", "object", "base", "b")
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes or tag == "img"
    for word in ("http:", "https:", "url(", "@import"):
        assert word not in html
    policy = [values["content"] for _, values in elements.tags if values.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    # A page of before is written over.
    assert told("denies") == 1
    html = Path("runs/lessons/index.html").read_text()
    assert "2 of 5 hold, 1 does not hold, 2 not run" in Elements(html).words[""]
    assert "torchbasics lessons crashes refuses" in Elements(html).words[""]


def test_no_word_of_a_verdict_becomes_markup() -> None:
    hostile = '"><img src=x onerror=y>&amp;'
    entry = catalogue.lessons()[0]
    result = Result(
        folder=Path("runs/lessons", hostile),
        claim=hostile,
        holds=True,
        words=hostile,
        numbers={hostile: float("nan")},
        options={hostile: [hostile]},
        arguments=("--other", hostile),
        seconds=1.0,
    )
    result.folder.mkdir(parents=True)
    (result.folder / PICTURE).write_bytes(PNG)
    elements = Elements(page({entry: result}, {}))
    (image,) = (attributes for tag, attributes in elements.tags if tag == "img")
    assert set(image) == {"src", "alt"}
    assert hostile in str(image["alt"])
    # Claim, words, number, option with its value, and two commands.
    assert elements.words["holds"].count(hostile) == 7


def test_a_missing_picture_is_said() -> None:
    leave("holds")
    entry = catalogue.lessons()[0]
    html = page({entry: newest(Path("runs"), "holds")}, {})
    assert "Its picture is not there." in Elements(html).words["holds"]


# Ours


def test_ours_are_numbered_apart() -> None:
    assert len({entry.number for entry in OURS}) == len(OURS)
    assert len({entry.name for entry in OURS}) == len(OURS)


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_each_of_ours_has_a_claim_options_with_help_and_a_test(entry: catalogue.Entry) -> None:
    # None is imported here: each one's own test runs it.
    assert re.fullmatch(r"[A-Z`(].{10,108}\.", entry.claim)
    assert f"test_{entry.script.name}" in os.listdir(ROOT / "tests")
    tree = ast.parse(entry.script.read_text())
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    main(Config, experiment)"
    (config,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config")
    assert list(map(ast.unparse, config.bases)) == ["LessonConfig"]
    fields = set()
    for field, below in itertools.pairwise([*config.body, None]):
        if isinstance(field, ast.AnnAssign):
            fields.add(ast.unparse(field.target))
            assert field.value is not None
            assert isinstance(below, ast.Expr)
            assert re.fullmatch(r"\S.*\.", ast.literal_eval(below.value), re.DOTALL)
    assert (entry.data is not None) == ("data" in fields)


def test_the_wheel_has_every_script_and_an_editable_one_none(place: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    names = {}
    for kind in ("standard", "editable"):
        (built,) = WheelBuilder(str(ROOT)).build(directory=str(place / kind), versions=[kind])
        with zipfile.ZipFile(built) as wheel:
            names[kind] = wheel.namelist()
    scripts = [name for name in names["standard"] if name.startswith("torchbasics/scripts/")]
    assert scripts == [f"torchbasics/scripts/{entry.script.name}" for entry in OURS]
    assert "torchbasics/lessons/page.py" in names["standard"]
    assert not [name for name in names["standard"] if name.startswith(("scripts", "tests"))]
    assert not [name for name in names["editable"] if name.endswith(".py")]
