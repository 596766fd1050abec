"""What TensorBoard shows, read back by TensorBoard's own reader and recomputed from the run; and the run's pictures."""

import io
import math
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.pr_curve import metadata as pr_curves
from tensorboard.util.tensor_util import make_ndarray
from torch import Tensor

import torchbasics.training.run
from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.models import deep
from torchbasics.training import checkpoint, log, pictures
from torchbasics.training.config import TrainConfig
from torchbasics.training.log import Step
from torchbasics.training.record import Recorder
from torchbasics.training.run import Run, create, resume, train

M, M_TEST, H, W, C = 23, 9, 5, 4, 3
ITERATIONS = 40


def picture_files(folder: Path) -> str:
    """23 and 9 random pictures with random labels: some will be wrong."""
    random = np.random.default_rng(0)
    for kind, m in (("train", M), ("test", M_TEST)):
        with h5py.File(folder / f"{kind}_small.h5", "w") as file:
            file[f"{kind}_set_x"] = random.integers(0, 256, (m, H, W, C), dtype=np.uint8)
            file[f"{kind}_set_y"] = np.arange(m) % 2
            file["list_classes"] = np.array([b"non-cat", b"cat"])
    return str(folder / "train_small.h5")


def config(data: str, runs_dir: Path, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {"layers": ("60,6,4,1",), "iterations": ITERATIONS, "learning_rate": 0.3, "init": "he"}
    return TrainConfig("deep", data, runs_dir=runs_dir, **(values | changes))


def quiet() -> Console:
    return Console(file=io.StringIO())


def read(folder: Path) -> EventAccumulator:
    """Every event that TensorBoard keeps when nothing is sampled away."""
    reader = EventAccumulator(
        str(folder), size_guidance=dict.fromkeys(("scalars", "histograms", "images", "tensors"), 0)
    )
    return reader.Reload()


def curve(reader: EventAccumulator, tag: str) -> dict[int, float]:
    """Step -> value, of a curve without a step twice, and in order."""
    events = reader.Scalars(tag)
    steps = [event.step for event in events]
    assert steps == sorted(set(steps)), tag
    return {event.step: event.value for event in events}


def f32(value: float) -> float:
    return float(np.float32(value))


@dataclass
class Watched:
    """A run and, from beside its recorder, parameters and gradients by engine at every step, copied; the end last."""

    run: Run
    parameters: list[dict[str, list[Tensor]]] = field(default_factory=list)
    gradients: list[dict[str, list[Tensor]]] = field(default_factory=list)
    batches: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def copy(self) -> None:
        # W1, b1, W2, b2, ... in the notes' shapes, on either engine.
        shapes = [parameter.shape for _, parameter in self.run.network.notes_parameters()]
        for kept, attribute in ((self.parameters, "data"), (self.gradients, "grad")):
            kept.append(
                {
                    engine.name: [
                        getattr(parameter, attribute).detach().clone().view(shape)
                        for parameter, shape in zip(engine.module.parameters(), shapes, strict=True)
                    ]
                    for engine in self.run.engines
                }
            )

    def reader(self, name: str) -> EventAccumulator:
        return read(self.run.folder / name)


def watch(run: Run) -> Watched:
    watched = Watched(run)
    step = Recorder.step

    def spy(self: Recorder, i: int, costs: list[Tensor], X: Tensor, Y: Tensor) -> None:
        watched.copy()
        watched.batches.append((X, Y))
        step(self, i, costs, X, Y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "step", spy)
        assert train(run, quiet()) == 0
    watched.copy()
    return watched


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("watched")
    return watch(create(config(picture_files(folder), folder, batch_size=10, dtype="float32")))


ENGINES = pytest.mark.parametrize("engine", ["manual", "torch"])


def probabilities(parameters: list[Tensor], X: Tensor) -> Tensor:
    """A[L] of a ReLU network, by plain tensor operations."""
    A = X
    for k in range(0, len(parameters), 2):
        Z = parameters[k] @ A + parameters[k + 1]
        A = Z.clamp(min=0) if k < len(parameters) - 2 else 1 / (1 + torch.exp(-Z))
    return A


@ENGINES
def test_the_cost_curve_is_the_log_at_every_step(watched: Watched, engine: str) -> None:
    names, steps = log.read(watched.run.folder)
    expected = {step.iteration: f32(step.costs[names.index(engine)]) for step in steps}
    assert list(expected) == list(range(ITERATIONS))
    assert curve(watched.reader(engine), "cost") == expected


def test_the_curves_of_the_difference_are_the_logs(watched: Watched) -> None:
    reader, (_, steps) = watched.reader("difference"), log.read(watched.run.folder)
    differences = [abs(step.costs[0] - step.costs[1]) for step in steps]
    # In float32 both kinds must have occurred for this to say anything.
    assert any(differences)
    assert not all(differences)
    expected = {i: f32(math.log10(d) if d else -20) for i, d in enumerate(differences)}
    assert curve(reader, "difference/log10_cost") == expected
    largest = {
        i: max((ours - theirs).abs().max().item() for ours, theirs in zip(g["manual"], g["torch"], strict=True))
        for i, g in enumerate(watched.gradients[:-1])
    }
    assert curve(reader, "difference/largest_dW") == largest
    assert [step.gap for step in steps] == list(largest.values())
    assert max(largest.values()) > 0


def test_dW_minus_autograd_is_taken_at_the_hand_derived_parameters(watched: Watched) -> None:
    points = curve(watched.reader("difference"), "difference/largest_dW_minus_autograd")
    assert len(points) > 1
    assert max(points.values()) > 0
    for i, point in points.items():
        X, Y = watched.batches[i]
        leaves = [parameter.clone().requires_grad_() for parameter in watched.parameters[i]["manual"]]
        A = probabilities(leaves, X)
        (-(Y * A.log() + (1 - Y) * (1 - A).log()).mean()).backward()
        largest = max(
            (ours - leaf.grad).abs().max().item()
            for ours, leaf in zip(watched.gradients[i]["manual"], leaves, strict=True)
        )
        # Both are rounding, of two different graphs: alike in size, and far from any wrong derivative.
        assert point < 1e-6, i
        assert largest < 1e-6, i
    assert watched.run.folder.joinpath(checkpoint.NAME).exists()
    worst = checkpoint.load(watched.run.folder)["checks"]
    assert f32(worst["largest"]) == max(points.values())
    assert worst["count"] == len(points)


@pytest.mark.parametrize("wrong_one", ["W1", "b3"])
def test_a_wrong_derivative_shows_in_dW_minus_autograd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_one: str
) -> None:
    # One example at a time: how often this is looked at has nothing to do with how seldom accuracies are.
    run = create(config(picture_files(tmp_path), tmp_path, iterations=30, batch_size=1))
    backward = run.network.backward
    pushed, calls = 0.25, []

    def wrong(record: dict[str, Tensor] | None = None) -> None:
        backward(record)
        calls.append(record)
        if len(calls) > 2:  # right in the graph, and at first
            dict(run.network.notes_parameters())[wrong_one].grad[-1, 0] += pushed

    monkeypatch.setattr(run.network, "backward", wrong)
    console = quiet()
    train(run, console)
    # The engines part from the first update on; at the manual engine's own parameters the mistake stays what it is.
    points = curve(read(run.folder / "difference"), "difference/largest_dW_minus_autograd")
    assert len(points) == 30
    assert points.pop(0) < 1e-6
    assert list(points.values()) == pytest.approx([pushed] * 29, rel=1e-6)
    assert "|dW - dW_autograd|      0.25 (at equal parameters, 30 times)" in console.file.getvalue()


@ENGINES
def test_accuracies_are_those_of_the_parameters(watched: Watched, engine: str) -> None:
    reader, data = watched.reader(engine), watched.run.data
    for name, split in (("train", data.train), ("test", data.test)):
        points = curve(reader, f"accuracy/{name}")
        assert {0, ITERATIONS} <= set(points)
        assert len(points) > 2
        for i, point in points.items():
            guess = (probabilities(watched.parameters[i][engine], split.X) > 0.5).int()
            assert point == f32(np.mean(guess.numpy() == split.Y.numpy())), (name, i)
    final = {tag: reader.Scalars(f"result/{tag}")[0] for tag in ("cost", "train_accuracy", "test_accuracy")}
    assert {event.step for event in final.values()} == {ITERATIONS}
    assert final["test_accuracy"].value == curve(reader, "accuracy/test")[ITERATIONS]
    assert final["train_accuracy"].value == curve(reader, "accuracy/train")[ITERATIONS]
    A, Y = probabilities([p.double() for p in watched.parameters[-1][engine]], data.train.X.double()), data.train.Y
    J = -(Y * A.log() + (1 - Y) * (1 - A).log()).mean().item()
    assert final["cost"].value == pytest.approx(J, rel=1e-5)


@ENGINES
def test_gradient_norms_are_those_of_each_layer(watched: Watched, engine: str) -> None:
    reader = watched.reader(engine)
    for layer in (1, 2, 3):
        points = curve(reader, f"gradient_norm/layer_{layer}")
        assert len(points) > 2
        for i, point in points.items():
            dW, db = watched.gradients[i][engine][2 * layer - 2 : 2 * layer]
            norm = math.sqrt((dW.double() ** 2).sum() + (db.double() ** 2).sum())
            assert point == pytest.approx(norm, rel=1e-6), (layer, i)
    assert "gradient_norm/layer_4" not in reader.Tags()["scalars"]


@ENGINES
def test_histograms_count_every_entry_of_every_layer(watched: Watched, engine: str) -> None:
    reader = watched.reader(engine)
    names = [f"{kind}{p}{layer}" for layer in (1, 2, 3) for p in "Wb" for kind in ("weights/", "gradients/d")]
    assert sorted(reader.Tags()["histograms"]) == sorted(names)
    for tag in names:
        events = reader.Histograms(tag)
        assert {0, ITERATIONS} <= {event.step for event in events}
        assert len(events) > 2
        kept = watched.gradients if tag.startswith("gradients") else watched.parameters
        index = 2 * (int(tag[-1]) - 1) + (tag[-2] == "b")
        for event in events:
            values = kept[event.step][engine][index].double()
            histogram = event.histogram_value
            assert histogram.num == values.numel() == sum(histogram.bucket)
            assert histogram.sum == pytest.approx(values.sum().item(), rel=1e-5, abs=1e-7)
            assert (histogram.min, histogram.max) == (values.min().item(), values.max().item())
            for edge, count in zip(histogram.bucket_limit, np.cumsum(histogram.bucket), strict=True):
                assert (values < edge).sum() <= count <= (values <= edge).sum(), (tag, edge)


def decoded(event: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


@ENGINES
def test_the_first_layer_is_shown_as_pictures(watched: Watched, engine: str) -> None:
    events = watched.reader(engine).Images("first_layer")
    assert {0, ITERATIONS} <= {event.step for event in events}
    for event in events:
        expected = pictures.weight_images(watched.parameters[event.step][engine][0], ImageShape(H, W, C))
        assert np.abs(decoded(event) / 255 - expected.permute(1, 2, 0).numpy()).max() <= 1 / 255


@ENGINES
def test_mistakes_and_pr_curve_are_those_of_the_end(watched: Watched, engine: str) -> None:
    reader, test = watched.reader(engine), watched.run.data.test
    A = probabilities(watched.parameters[-1][engine], test.X)
    (event,) = reader.Images("mistakes")
    assert event.step == ITERATIONS
    assert decoded(event).shape[2] == 3
    (event,) = reader.Tensors("pr_curve")
    assert event.step == ITERATIONS
    assert reader.SummaryMetadata("pr_curve").plugin_data.plugin_name == pr_curves.PLUGIN_NAME
    TP, FP, TN, FN, precision, recall = make_ndarray(event.tensor_proto)
    thresholds = np.linspace(0, 1, len(TP))
    p, y = A.flatten().numpy().astype(float), test.Y.flatten().numpy() == 1
    for k in range(1, len(TP) - 1):
        above = np.floor(p * (len(TP) - 1)) / (len(TP) - 1) >= thresholds[k] - 1e-9
        expected = [(above & y).sum(), (above & ~y).sum(), (~above & ~y).sum(), (~above & y).sum()]
        assert [TP[k], FP[k], TN[k], FN[k]] == expected, k
    assert (TP[0], FP[0]) == (y.sum(), (~y).sum())
    assert recall == pytest.approx(TP / np.maximum(TP + FN, 1e-7))
    assert precision == pytest.approx(TP / np.maximum(TP + FP, 1e-7))


def started(folder: Path) -> dict[str, Any]:
    """The hyperparameters as the HParams tab reads them."""
    content = read(folder).SummaryMetadata(hparams.SESSION_START_INFO_TAG).plugin_data.content
    values = hparams.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}


@ENGINES
def test_the_hparams_tab_has_the_run(watched: Watched, engine: str) -> None:
    folder = watched.run.folder / engine
    found = started(folder)
    expected = {
        "model": "deep",
        "data": "small",
        "layers": "60-6-4-1",
        "activation": "relu",
        "optimizer": "gd",
        "learning_rate": 0.3,
        "batch_size": 10,
        "init": "he",
        "seed": 1,
        "dtype": "float32",
        "engine": engine,
    }
    assert {name: found.get(name) for name in expected} == expected
    reader = read(folder)
    content = reader.SummaryMetadata(hparams.EXPERIMENT_TAG).plugin_data.content
    experiment = hparams.parse_experiment_plugin_data(content)
    metrics = {metric.name.tag for metric in experiment.metric_infos}
    assert metrics == {"result/cost", "result/train_accuracy", "result/test_accuracy"}
    # Five columns are shown until others are ticked: those said to differ.
    shown = [info.name for info in experiment.hparam_infos if info.differs]
    assert sorted(shown) == ["activation", "batch_size", "layers", "learning_rate", "optimizer"]
    # Every metric is a curve under that very tag: that is where the tab takes its value from.
    assert metrics <= set(reader.Tags()["scalars"])
    content = reader.SummaryMetadata(hparams.SESSION_END_INFO_TAG).plugin_data.content
    assert hparams.parse_session_end_info_plugin_data(content).status == 1  # STATUS_SUCCESS


def test_a_convolution_is_shown_window_by_window_and_its_settings_stand_beside_the_run(tmp_path: Path) -> None:
    settings = {"layers": ("60,3,4,1",), "iterations": 2, "l2": 0.1, "l1": 0.2, "keep_prob": 0.5, "batch_size": 7}
    run = create(replace(config(picture_files(tmp_path), tmp_path / "runs", **settings), model="cnn"))
    train(run, quiet())
    W = run.network.get_parameter("layers.1.W")
    assert W.shape == (3, C, 3, 3)
    for engine in ("manual", "torch"):
        event = read(run.folder / engine).Images("first_layer")[-1]
        shown = pictures.weight_images(W, run.data.image)
        assert np.abs(decoded(event) / 255 - shown.permute(1, 2, 0).numpy()).max() <= 2 / 255
        # Windows of 3x3 pixels, 32 times as large, side by side with 2 pixels around each.
        assert decoded(event).shape == (96 + 4, 3 * (96 + 2) + 2, 3)
        found = started(run.folder / engine)
        assert {name: found[name] for name in ("l2", "l1", "keep_prob", "cell")} == {
            "l2": 0.1,
            "l1": 0.2,
            "keep_prob": 0.5,
            "cell": "",
        }


def charts(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Heading -> chart -> its regular expressions, as the Custom Scalars tab reads them."""
    (event,) = read(folder).Tensors(custom_scalars.CONFIG_SUMMARY_TAG)
    found = layout_pb2.Layout.FromString(make_ndarray(event.tensor_proto).item())
    return {part.title: {chart.title: list(chart.multiline.tag) for chart in part.chart} for part in found.category}


@pytest.mark.parametrize("engine", ["manual", "torch"])
def test_the_graph_is_the_networks(watched: Watched, engine: str) -> None:
    nodes = {node.name: node for node in watched.reader(engine).Graph().node}
    assert {name: sorted(node.input) for name, node in nodes.items() if name in ("Z1", "A1", "Z3", "J")} == {
        "Z1": ["W1", "X", "b1"],
        "A1": ["Z1"],
        "Z3": ["A2", "W3", "b3"],
        "J": ["Y", "Z3"],
    }
    shapes = {name: [d.size for d in node.attr["_output_shapes"].list.shape[0].dim] for name, node in nodes.items()}
    for name, parameter in watched.run.network.notes_parameters():
        assert shapes[name] == list(parameter.shape)
    assert shapes["X"] == [H * W * C, 2]


def test_every_curve_is_in_one_chart_of_the_layout(watched: Watched) -> None:
    layout = charts(watched.run.folder / "manual")
    assert list(layout) == ["cost", "difference", "accuracy", "gradient norms"]
    # Once for a run: TensorBoard shows it for all.
    for other in ("torch", "difference"):
        assert custom_scalars.CONFIG_SUMMARY_TAG not in watched.reader(other).Tags()["tensors"]
    expressions = [tag for part in layout.values() for tags in part.values() for tag in tags]
    found = {tag for name in ("manual", "difference") for tag in watched.reader(name).Tags()["scalars"]}
    for tag in found:
        # As the plugin does. The results are one point each.
        matching = [expression for expression in expressions if re.match(expression, tag)]
        assert len(matching) == (0 if tag.startswith("result/") else 1), tag
    for expression in expressions:
        assert any(re.match(expression, tag) for tag in found), expression


def test_no_pictures_of_data_that_has_none(tmp_path: Path) -> None:
    run = create(TrainConfig("logistic", "moons", iterations=3, engine="manual", runs_dir=tmp_path))
    train(run, quiet())
    tags = read(run.folder / "manual").Tags()
    assert tags["images"] == []
    assert "cost" in tags["scalars"]
    # With one engine there is nothing to differ from.
    assert not (run.folder / "difference").exists()
    assert not (run.folder / "torch").exists()
    assert list(charts(run.folder / "manual")) == ["cost", "accuracy", "gradient norms"]


def test_no_mistakes_are_shown_when_there_are_none(tmp_path: Path) -> None:
    for kind in ("train", "test"):
        with h5py.File(tmp_path / f"{kind}_easy.h5", "w") as file:
            labels = np.arange(8) % 2
            file[f"{kind}_set_x"] = np.broadcast_to(labels[:, None, None, None] * 255, (8, 2, 2, 3)).astype(np.uint8)
            file[f"{kind}_set_y"] = labels
    data = str(tmp_path / "train_easy.h5")
    run = create(TrainConfig("logistic", data, learning_rate=1.0, iterations=60, runs_dir=tmp_path))
    train(run, quiet())
    reader = read(run.folder / "torch")
    assert reader.Scalars("result/test_accuracy")[0].value == 1
    assert reader.Tags()["images"] == ["first_layer"]


def test_beyond_5000_iterations_the_curves_are_thinned_and_the_log_is_not(tmp_path: Path) -> None:
    run = create(TrainConfig("logistic", "blobs", iterations=10_001, runs_dir=tmp_path))
    shown: list[Step] = []
    recorder = Recorder(
        run.folder,
        run.engines,
        run.network,
        run.data,
        run.iterations,
        run.data.train.m,
        shown.append,
        run.checks,
    )
    X, Y = run.data.train.X, run.data.train.Y
    for i in range(100):
        recorder.step(i, [engine.cost_and_gradients(X, Y) for engine in run.engines], X, Y)
    recorder.drain()
    recorder.close()
    # ceil(10,001 / 5,000) = 3
    assert list(curve(read(run.folder / "manual"), "cost")) == list(range(0, 100, 3))
    assert list(curve(read(run.folder / "difference"), "difference/log10_cost")) == list(range(0, 100, 3))
    assert [step.iteration for step in log.read(run.folder)[1]] == list(range(100))
    assert shown[-1].iteration == 99
    for iterations, thin in ((5000, 1), (5001, 2)):
        folder = tmp_path / str(iterations)
        folder.mkdir()
        recorder = Recorder(
            folder, run.engines, run.network, run.data, range(iterations), 400, shown.append, run.checks
        )
        recorder.close()
        assert recorder.thin == thin


# Resumed


def all_curves(folder: Path) -> dict[str, dict[int, float]]:
    reader = read(folder)
    return {tag: curve(reader, tag) for tag in reader.Tags()["scalars"]}


@pytest.mark.usefixtures("nothing_drawn")  # which is the same
def test_a_killed_and_resumed_run_shows_what_one_that_never_was_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture_files(tmp_path)
    # A snapshot is due every 14th iteration: the checkpoint comes right after one, and a row is on its way.
    whole = create(config(data, tmp_path, run="whole"))
    train(whole, quiet())
    run = create(config(data, tmp_path, run="begun"))
    killed, late = tmp_path / "killed", tmp_path / "late"
    save = checkpoint.save
    monkeypatch.setattr(torchbasics.training.run, "CHECKPOINT_SECONDS", -1.0)

    def spy(folder: Path, content: dict[str, Any]) -> Path:
        if content["iteration"] <= 15:
            save(folder, content)
        if content["iteration"] == 15:
            shutil.copytree(folder, killed)
        if content["iteration"] == 33:  # events and rows up to 32, and a checkpoint of 15
            shutil.copytree(folder, late)
        return folder / checkpoint.NAME

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", spy)
        train(run, quiet())
    monkeypatch.setattr(torchbasics.training.run, "CHECKPOINT_SECONDS", 1e9)
    for folder in (killed, late):
        going_on = resume(folder, None)
        assert going_on.start == 15
        train(going_on, quiet())
        for name in ("manual", "torch", "difference"):
            assert all_curves(folder / name) == all_curves(whole.folder / name), (folder.name, name)


def test_a_lengthened_run_has_one_end(tmp_path: Path) -> None:
    data = picture_files(tmp_path)
    run = create(config(data, tmp_path, iterations=10))
    train(run, quiet())
    train(resume(run.folder, 25), quiet())
    reader = read(run.folder / "torch")
    assert list(curve(reader, "cost")) == list(range(25))
    assert list(curve(reader, "result/cost")) == [25]
    assert 10 not in curve(reader, "accuracy/test")
    assert [event.step for event in reader.Images("mistakes")] == [25]
    # TensorBoard keeps the first hyperparameters it meets: none of them may be one that resume changes.
    assert started(run.folder / "torch").get("iterations", 25) == 25


# The pictures themselves


def test_weight_images_are_grey_at_0_and_reach_to_the_largest_weight() -> None:
    image = ImageShape(2, 3, 3)
    # Unit 0: the red of the top left pixel, and -1/2 of the blue of the bottom right one. Unit 1: nothing.
    W1 = torch.zeros(2, 18)
    W1[0, 0], W1[0, 17] = 4.0, -2.0
    scale = 96 // 3
    grid = pictures.weight_images(W1, image)
    assert grid.shape == (3, 2 * scale + 4, 2 * (3 * scale + 2) + 2)
    first = grid[:, 2 : 2 + 2 * scale, 2 : 2 + 3 * scale]
    expected = torch.full((3, 2, 3), 0.5)
    expected[0, 0, 0], expected[2, 1, 2] = 1.0, 0.25
    assert torch.equal(first, expected.repeat_interleave(scale, 1).repeat_interleave(scale, 2))
    second = grid[:, 2 : 2 + 2 * scale, 4 + 3 * scale : 4 + 6 * scale]
    assert torch.equal(second, torch.full_like(second, 0.5))
    assert grid[0, 0, 0] == 1
    assert pictures.weight_images(torch.randn(50, 12288), ImageShape(64, 64, 3)).shape[2] == 8 * 66 + 2


def test_the_mistakes_are_the_wrong_ones_the_surest_first() -> None:
    image = ImageShape(2, 2, 1)
    X = torch.arange(6).double().repeat(4, 1) / 10
    data = Data(
        "six", Split(X, torch.ones(1, 6)), Split(X, torch.tensor([[1.0, 0, 1, 0, 1, 0]])), ("dog", "cat"), image, 255.0
    )
    p = torch.tensor([[0.9, 0.7, 0.4, 0.2, 0.1, 0.5]])
    figure = pictures.mistakes(data, p)
    assert figure is not None
    assert figure.get_suptitle().startswith("3 of 6 test pictures wrong")
    drawn = [axis for axis in figure.axes if axis.images]
    titles = [axis.get_title() for axis in drawn]
    assert titles == ["p(cat) = 0.10\nis cat", "p(cat) = 0.70\nis dog", "p(cat) = 0.40\nis cat"]
    for axis, example in zip(drawn, (4, 1, 2), strict=True):
        assert np.asarray(axis.images[0].get_array()).squeeze() == pytest.approx(np.full((2, 2), example / 10))
    assert len([axis for axis in pictures.mistakes(data, p, most=1).axes if axis.images]) == 1
    assert pictures.mistakes(data, data.test.Y) is None


def test_cost_curves_draw_the_log() -> None:
    steps = [Step(0, (0.7, 0.7), 0.0), Step(1, (0.5, 0.5 + 2**-20), 1e-9), Step(2, (0.25, 0.25 - 2**-30), 1e-9)]
    figure = pictures.cost_curves(["manual", "torch"], steps, "deep on digits")
    cost, difference = figure.axes
    assert cost.get_title() == "deep\non digits"
    assert [line.get_label() for line in cost.lines] == ["manual", "torch"]
    assert [text.get_text() for text in cost.get_legend().get_texts()] == ["manual", "torch"]
    for k, line in enumerate(cost.lines):
        assert np.array_equal(line.get_xdata(), [0, 1, 2])
        assert np.array_equal(line.get_ydata(), [step.costs[k] for step in steps])
    assert cost.lines[0].get_color() != cost.lines[1].get_color()
    x, y = difference.lines[0].get_xdata(), difference.lines[0].get_ydata()
    assert np.array_equal(x, [0, 1, 2])
    assert np.isnan(y[0])
    assert y[1:] == pytest.approx([-20 * math.log10(2), -30 * math.log10(2)])
    (alone,) = pictures.cost_curves(["torch"], [Step(0, (0.7,), None), Step(1, (0.6,), None)], "").axes
    assert np.array_equal(alone.lines[0].get_ydata(), [0.7, 0.6])


def test_the_run_leaves_its_cost_curves_as_a_picture(watched: Watched) -> None:
    with Image.open(watched.run.folder / "costs.png") as picture:
        shown = np.asarray(picture.convert("RGB"))
    for colour in ("#ff7043", "#0077bb"):
        rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (np.abs(shown.astype(int) - rgb).max(axis=2) < 8).sum() > 20, colour
    assert not list(watched.run.folder.glob("*.tmp"))


def test_names_with_dollars_and_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    # matplotlib reads $...$ as mathematics and rich reads [...] as a style.
    with h5py.File(picture_files(tmp_path), "a") as file:
        del file["list_classes"]
    with h5py.File(tmp_path / "test_small.h5", "a") as file:
        file["list_classes"][...] = [b"$\\no$", b"$cat"]
    data = tmp_path / "train_$\\frac$.h5"
    (tmp_path / "train_small.h5").rename(data)
    console = quiet()
    runs_dir = tmp_path / "[red]"
    run = create(config(str(data), runs_dir, test_data=tmp_path / "test_small.h5", iterations=2, run="a[bold]"))
    assert train(run, console) == 0
    assert f"tensorboard --logdir '{run.folder}'\n" in console.file.getvalue()


def test_the_network_in_these_tests_is_the_one_recomputed(watched: Watched) -> None:
    # The recomputation above is plain tensor operations; it must be the network's own function.
    network = deep([60, 6, 4, 1])
    for parameter, value in zip(network.parameters(), watched.parameters[-1]["manual"], strict=True):
        parameter.data.copy_(value)
    X = watched.run.data.test.X
    assert torch.allclose(network(X), probabilities(watched.parameters[-1]["manual"], X), atol=1e-6)
