"""TensorBoard in a real browser: every tab draws what the runs have logged, without errors or the network."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser import SECONDS, Sheet, chromium
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_tensorboard import config, curve, picture_files, quiet, read

from torchbasics.lessons import lesson
from torchbasics.training import log
from torchbasics.training.run import create, train

if TYPE_CHECKING:
    from playwright.sync_api import Locator

# Two runs of both engines that learn at different speeds, and a lesson.
RATES = {"slow": 0.02, "fast": 0.1}
ENGINES = ("manual", "torch")
TRAINED = [f"{run}/{engine}" for run in RATES for engine in ENGINES]
ITERATIONS = 50
WORDS = "nothing is claimed, and that holds by 0.25"


@dataclass
class Board:
    """TensorBoard in a browser, over the runs in `folder`."""

    sheet: Sheet
    folder: Path
    readers: dict[str, EventAccumulator] = field(default_factory=dict)

    def open(self, tab: str) -> None:
        """Turn to a tab, without smoothing; the page is loaded once."""
        self.sheet.page.goto(f"{self.sheet.home}?darkMode=false#{tab}&_smoothingWeight=0")

    def all(self, elements: str, enough: int) -> list["Locator"]:
        """The elements, of which there must come to be that many."""
        found = self.sheet.page.locator(elements)
        self.sheet.eventually(found.count, lambda count: count >= enough)
        assert found.count() == enough, elements
        return found.all()

    def colours(self) -> dict[str, str]:
        """Run -> the colour that TensorBoard gives it, in all tabs but Time Series and HParams."""
        # There is a list beside each tab; those that aren't seen may have none yet.
        boxes = self.sheet.page.locator("tf-runs-selector paper-checkbox")
        runs = self.sheet.eventually(lambda: dict(boxes.evaluate_all(COLOURS)), lambda runs: set(TRAINED) <= set(runs))
        assert len(set(runs.values())) == len(runs)
        return runs

    def events(self, run: str) -> EventAccumulator:
        """What is in the run's event files."""
        if run not in self.readers:
            self.readers[run] = read(self.folder / run)
        return self.readers[run]

    def logged(self, run: str, tag: str) -> dict[int, float]:
        """Step -> value, from the event files."""
        return curve(self.events(run), tag)


COLOURS = (
    "boxes => boxes.map(box => [box.name, getComputedStyle(box).getPropertyValue('--paper-checkbox-checked-color')])"
)
SIZES = "images => images.map(image => [image.naturalWidth, image.naturalHeight])"
SHAPES = "paths => paths.map(path => path.getAttribute('d') || '').filter(shape => shape.split('L').length > 8)"
TAGS = "cards => cards.map(card => card.tag)"
CELLS = "cells => cells.map(cell => [cell.innerText.trim(), cell.getBoundingClientRect().y]).filter(cell => cell[0])"
NODES = "nodes => nodes.map(node => node.getAttribute('data-name'))"
PATHS = "paths => paths.map(path => [path.getAttribute('stroke'), path.getAttribute('d') || ''])"


def experiment(_config: lesson.LessonConfig, told: lesson.Lesson) -> lesson.Verdict:
    figure = Figure(figsize=(4, 3))
    figure.subplots().plot([0, 1])
    told.show(figure)
    return lesson.Verdict(True, WORDS, {"by": 0.25})


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with chromium() as browser:
        place = tmp_path_factory.mktemp("board")
        data, folder = picture_files(place), place / "runs"
        for run, rate in RATES.items():
            assert train(create(config(data, folder, run=run, learning_rate=rate, iterations=ITERATIONS)), quiet()) == 0
        lesson.run(lesson.LessonConfig(runs_dir=folder), experiment, Path("lesson_99_nothing.py"), quiet())
        with serve(folder, place / "said.txt") as address:
            # Tall, for TensorBoard only draws what is seen.
            sheet = Sheet(browser.new_context(viewport={"width": 1500, "height": 3000}), address)
            # Its box "Ignore outliers in chart scaling": points beyond the scale are not drawn.
            sheet.page.add_init_script("localStorage.setItem('_ignoreYOutliers', 'false')")
            yield Board(sheet, folder)


@pytest.fixture(autouse=True)
def silent(board: Board) -> Iterator[None]:
    """Nothing goes wrong in the page, and nothing is asked of the network."""
    yield
    assert board.sheet.complaints == []


@contextmanager
def serve(folder: Path, said: Path) -> Iterator[str]:
    """TensorBoard's address, once it has read all runs to their ends."""
    # Port 0 is any that is free; TensorBoard says which.
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    with said.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        for _ in range(int(SECONDS / 0.1)):
            try:
                pytest.fail(f"TensorBoard ended with exit code {process.wait(0.1)}: {said.read_text()}")
            except subprocess.TimeoutExpired:
                address = re.search(r"http://127\.0\.0\.1:\d+/", said.read_text())
            if address is not None and has_read_all(address[0]):
                break
        else:
            pytest.fail(f"TensorBoard has not read the runs: {said.read_text()}")
        yield address[0]
    finally:
        process.terminate()
        process.wait()


def has_read_all(address: str) -> bool:
    asked = {"allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 100, "colParams": []}
    try:
        scalars, texts = (answer(f"{address}data/plugin/{name}/tags") for name in ("scalars", "text"))
        sessions = answer(f"{address}data/plugin/hparams/session_groups", asked)
    except (OSError, ValueError):
        return False
    ended = all("result/test_accuracy" in scalars.get(run, ()) for run in TRAINED)
    return ended and len(sessions.get("sessionGroups", ())) == len(TRAINED) and len(texts) == 1


def answer(address: str, asked: Any = None) -> Any:
    content = None if asked is None else json.dumps(asked).encode()
    with urllib.request.urlopen(urllib.request.Request(address, content, {"Content-Type": "application/json"})) as read:
        return json.load(read)


def lines(chart: "Locator") -> list[tuple[str, np.ndarray]]:
    """The colour and the corners (n, 2) of every line in a chart."""
    found = []
    for stroke, path in chart.locator("vz-line-chart2 path").evaluate_all(PATHS):
        # Points are circles, which have arcs.
        if stroke and "L" in path and "A" not in path:
            corners = [[float(number) for number in corner.split(",")] for corner in re.split("[ML]", path)[1:]]
            found.append((stroke, np.array(corners)))
    return found


def drawn(board: Board, chart: "Locator", count: int) -> dict[str, list[np.ndarray]]:
    """Run -> the corners of its lines in a chart that must come to have `count` of them in all."""
    found = board.sheet.eventually(lambda: lines(chart), lambda found: len(found) == count)
    assert len(found) == count
    runs = {colour: run for run, colour in board.colours().items()}
    by_run: dict[str, list[np.ndarray]] = {}
    for stroke, corners in found:
        by_run.setdefault(runs[stroke], []).append(corners)
    return by_run


def assert_drawn_to_scale(by_run: dict[str, list[np.ndarray]], logged: dict[str, dict[int, float]]) -> None:
    """Pixels are one affine map of step and value for all runs, right and up."""
    assert set(by_run) == set(logged)
    corners = np.concatenate([corners for run in logged for corners in by_run[run]])
    values = np.concatenate([list(points.items()) for points in logged.values()])
    assert corners.shape == values.shape
    for axis, sign in ((0, 1), (1, -1)):
        slope, offset = np.polyfit(values[:, axis], corners[:, axis], 1)
        assert slope * sign > 0
        extent = np.ptp(corners[:, axis])
        assert extent > 20
        assert np.abs(slope * values[:, axis] + offset - corners[:, axis]).max() < 1e-3 * extent


def test_scalars_draws_the_cost_of_both_engines(board: Board) -> None:
    board.open("scalars")
    cards = board.sheet.page.locator("tf-scalar-card")
    tags = board.sheet.eventually(partial(cards.evaluate_all, TAGS), lambda tags: "cost" in tags)
    assert tags == ["accuracy/test", "accuracy/train", "cost"]
    by_run = drawn(board, cards.nth(tags.index("cost")), len(TRAINED))
    logged = {run: board.logged(run, "cost") for run in TRAINED}
    assert all(list(points) == list(range(ITERATIONS)) for points in logged.values())
    assert_drawn_to_scale(by_run, logged)
    # Manual and torch lie over one another.
    for run in RATES:
        names, steps = log.read(board.folder / run)
        assert names == list(ENGINES)
        assert [logged[f"{run}/manual"][step.iteration] for step in steps] == pytest.approx(
            [step.costs[1] for step in steps], rel=1e-6
        )
        assert np.abs(by_run[f"{run}/manual"][0] - by_run[f"{run}/torch"][0]).max() < 1e-3


def test_time_series_draws_the_cost_of_both_engines(board: Board) -> None:
    board.open("timeseries")
    card = board.sheet.page.locator("scalar-card").filter(has_text=re.compile(r"^\s*cost"))
    # Run, smoothed, value, step, time.
    row = r"{}\s+[\d.]+\s+([\d.]+)\s+(\d+)\s"
    rows = [re.compile(row.format(run)) for run in TRAINED]
    said = board.sheet.eventually(card.inner_text, lambda said: all(row.search(said) for row in rows))
    for run, row_of_run in zip(TRAINED, rows, strict=True):
        found = row_of_run.search(said)
        assert found is not None
        *_, (step, value) = board.logged(run, "cost").items()
        assert int(found[2]) == step
        assert float(found[1]) == pytest.approx(value, abs=5e-5)

    # One colour for each pair of curves: the second covers the first.
    def coloured() -> int:
        shot = np.asarray(Image.open(BytesIO(card.locator("line-chart").screenshot())).convert("RGB"), dtype=int)
        strong = shot[np.ptp(shot, axis=2) > 60]
        return sum(count > 30 for count in np.unique(strong, axis=0, return_counts=True)[1])

    assert board.sheet.eventually(coloured, lambda count: count >= len(RATES)) >= len(RATES)


def test_custom_scalars_draws_the_charts_of_the_layout(board: Board) -> None:
    board.open("custom_scalars")
    cards = board.all("tf-custom-scalar-multi-line-chart-card", 6)
    titles = [card.evaluate("card => card.title") for card in cards]
    assert titles == [
        "cost J",
        "log10 abs(J_manual - J_torch)",
        "largest difference of dW and db",
        "on the training set",
        "on the test set",
        "of dW and db together, layer by layer",
    ]
    differences = [f"{run}/difference" for run in RATES]
    for card, runs, tags in zip(
        cards,
        [TRAINED, differences, differences, TRAINED, TRAINED, TRAINED],
        [
            ["cost"],
            ["difference/log10_cost"],
            ["difference/largest_dW", "difference/largest_dW_minus_autograd"],
            ["accuracy/train"],
            ["accuracy/test"],
            [f"gradient_norm/layer_{layer}" for layer in (1, 2, 3)],
        ],
        strict=True,
    ):
        by_run = drawn(board, card, len(runs) * len(tags))
        assert {run: len(found) for run, found in by_run.items()} == dict.fromkeys(runs, len(tags))
        for run in runs:
            expected = sorted(len(board.logged(run, tag)) for tag in tags)
            assert sorted(len(corners) for corners in by_run[run]) == expected
        if len(tags) == 1:
            assert_drawn_to_scale(by_run, {run: board.logged(run, tags[0]) for run in runs})


def test_images_shows_every_picture_whole(board: Board) -> None:
    board.open("images")
    expected = {}
    for run in [*TRAINED, "lessons/nothing"]:
        events = board.events(run)
        for tag in events.Tags()["images"]:
            with Image.open(BytesIO(events.Images(tag)[-1].encoded_image_string)) as picture:
                expected[tag, run] = picture.size
    assert {tag for tag, _ in expected} == {"first_layer", "mistakes", "picture"}
    assert len(expected) == 2 * len(TRAINED) + 1
    # The third category is closed at first.
    board.sheet.page.locator("tf-image-dashboard button.heading", has_text="picture").click()
    for loader in board.all("tf-image-loader", len(expected)):
        tag, run = loader.evaluate("loader => [loader.tag, loader.run]")
        picture = loader.locator("img")
        found = board.sheet.eventually(partial(picture.evaluate_all, SIZES), lambda found: found[:1] != [[0, 0]])
        assert found == [list(expected.pop((tag, run)))]
    assert not expected


@pytest.mark.parametrize(
    ("tab", "chart", "path"),
    [("histograms", "vz-histogram-timeseries", ".histogram path"), ("distributions", "vz-distribution-chart", "path")],
)
def test_weights_and_gradients_are_drawn(board: Board, tab: str, chart: str, path: str) -> None:
    board.open(tab)
    # W and b of 3 layers, and their gradients: 12 to a page of each.
    charts = board.all(chart, 24)
    steps = len(board.events(TRAINED[0]).Histograms("weights/W1"))
    assert steps > 5
    wanted = {"histograms": steps, "distributions": 8}[tab]
    for drawing in charts:
        found = board.sheet.eventually(
            partial(drawing.locator(path).evaluate_all, SHAPES), lambda found: len(found) >= wanted
        )
        assert len(found) >= wanted


def test_pr_curves_draws_one_for_each_engine(board: Board) -> None:
    board.open("pr_curves")
    (card,) = board.all("tf-pr-curve-card", 1)
    found = drawn(board, card, len(TRAINED))
    assert set(found) == set(TRAINED)
    for run in RATES:
        manual, twin = (found[f"{run}/{engine}"][0] for engine in ENGINES)
        assert len(manual) > 2
        assert np.array_equal(manual, twin)


def test_hparams_has_a_row_for_every_engine_of_every_run(board: Board) -> None:
    board.open("hparams")
    page = board.sheet.page
    cells = page.locator("vaadin-grid-cell-content")

    def rows() -> dict[str, list[str]]:
        """What stands in the first cell of each line -> the rest of the line."""
        lines: dict[float, list[str]] = {}
        for words, y in cells.evaluate_all(CELLS):
            lines.setdefault(round(y), []).append(words)
        return {line[0]: line[1:] for line in lines.values()}

    found = board.sheet.eventually(rows, lambda found: set(TRAINED) <= set(found))
    assert {run for run in found if "/" in run} == set(TRAINED)
    for run, rate in RATES.items():
        for engine in ENGINES:
            values = [rate] + [
                board.logged(f"{run}/{engine}", f"result/{name}")[ITERATIONS]
                for name in ("cost", "train_accuracy", "test_accuracy")
            ]
            assert {f"{value:#.5g}" for value in values} <= set(found[f"{run}/{engine}"])


def test_text_shows_the_verdict_of_a_lesson(board: Board) -> None:
    board.open("text")
    (said,) = board.all("tf-text-loader", 1)
    said.get_by_text(f"holds: {WORDS}").wait_for()


def test_graphs_draws_the_network_in_the_notes_names(board: Board) -> None:
    board.open("graphs")
    nodes = board.sheet.page.locator("tf-graph-scene g.node")
    expected = {"X", "W1", "b1", "Z1", "A1", "W2", "b2", "Z2", "A2", "W3", "b3", "Z3", "Y", "J"}
    shown = board.sheet.eventually(lambda: set(nodes.evaluate_all(NODES)), lambda found: expected <= found)
    assert shown == expected
