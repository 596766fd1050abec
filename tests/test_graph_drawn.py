"""Graphs as pictures, Mermaid text and TensorBoard's events; graphs of networks; the command."""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util.tensor_util import make_ndarray
from torch import Tensor

import torchbasics
from torchbasics.cli import main
from torchbasics.graph import computation_graph
from torchbasics.graph.board import graph_def
from torchbasics.graph.drawing import Arrow, Box, Drawing, drawing
from torchbasics.graph.layout import arrange, columns, spread
from torchbasics.graph.mermaid import mermaid
from torchbasics.graph.of_network import network_drawing
from torchbasics.graph.operations import OPERATIONS, Operation
from torchbasics.graph.picture import FILLS, pixels
from torchbasics.graph.svg import box_size, svg, text_width
from torchbasics.initialisation import initialise
from torchbasics.layers import Linear, ReLU, Sigmoid, Tanh
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.regularisation import L2
from torchbasics.training.config import TrainConfig
from torchbasics.training.example import example

SVG = "{http://www.w3.org/2000/svg}"


def random_drawing(children: list[list[int]]) -> Drawing:
    """Box k, with arrows to some of the boxes after it; every box but the last has one."""
    count = len(children) + 1
    boxes = tuple(Box(f"n{k}", f"n{k}", ("1",), "computed", ()) for k in range(count))
    arrows = tuple(
        Arrow(f"n{k}", f"n{k + 1 + step % (count - k - 1)}", f"dJ/dn{k} = 1")
        for k, steps in enumerate(children)
        for step in steps
    )
    return Drawing("random", boxes, arrows, "")


CHILDREN = st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=3), min_size=1, max_size=14)


@settings(deadline=None, max_examples=25)
@given(CHILDREN)
def test_boxes_and_labels_stand_apart_and_arrows_point_to_the_right(children: list[list[int]]) -> None:
    drawn = random_drawing(children)
    sizes = {box.key: (40.0 + 7 * k, 46.0) for k, box in enumerate(drawn.boxes)}
    layout = arrange(drawn, sizes, [90.0] * len(drawn.arrows))
    spans = {
        key: (x - sizes[key][0] / 2, y - sizes[key][1] / 2, x + sizes[key][0] / 2, y + sizes[key][1] / 2)
        for key, (x, y) in layout.boxes.items()
    }
    for a, b in itertools.combinations(spans.values(), 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    for left, top, right, bottom in spans.values():
        assert left >= 0
        assert top >= 0
        assert right <= layout.width
        assert bottom <= layout.height
    for arrow, points, label in zip(drawn.arrows, layout.arrows, layout.labels, strict=True):
        assert points[0] == (pytest.approx(spans[arrow.start][2]), layout.boxes[arrow.start][1])
        assert points[-1] == (pytest.approx(spans[arrow.end][0]), layout.boxes[arrow.end][1])
        assert all(a[0] < b[0] for a, b in itertools.pairwise(points))
        # A label is between its box's column and the next, on no box.
        assert label is not None
        assert not any(x0 < label[0] < x1 and y0 < label[1] < y1 for x0, y0, x1, y1 in spans.values())
    for a, b in itertools.combinations([label for label in layout.labels if label], 2):
        assert abs(a[1] - b[1]) > 15 or abs(a[0] - b[0]) > 1
    column = columns(drawn)
    assert min(column.values()) == 0
    for key in column:
        onward = [column[arrow.end] for arrow in drawn.arrows if arrow.start == key]
        assert not onward or column[key] == min(onward) - 1


def test_crossings_that_need_not_be_are_gone() -> None:
    # In the order in which they are given every arrow crosses another.
    names = ["a", "b", "c", "x", "y", "z"]
    boxes = [Box(name, name, ("1",), "leaf", ()) for name in names]
    pairs = [("a", "z"), ("b", "y"), ("c", "x")]
    drawn = Drawing(
        "",
        (*boxes, Box("J", "J", ("1",), "last", ())),
        (*(Arrow(a, b, "1") for a, b in pairs), *(Arrow(b, "J", "1") for _, b in pairs)),
        "",
    )
    layout = arrange(drawn, {box.key: (40.0, 46.0) for box in drawn.boxes}, [50.0] * 6)
    left, right = ([layout.boxes[pair[k]][1] for pair in pairs] for k in (0, 1))
    assert np.argsort(left).tolist() == np.argsort(right).tolist()
    # And with nothing that pulls otherwise, each arrow is level.
    assert left == pytest.approx(right, abs=1.0)


def test_a_graph_that_nobody_could_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "a" + "+a" * 300
    assert run(text, "--at", "a=1", "--svg", str(tmp_path / "g.svg"), "--mermaid", str(tmp_path / "g.mmd")) == 2
    assert "too many to draw; leave the picture out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert run(text, "--at", "a=1", "--mermaid", str(tmp_path / "g.mmd"), "--run", str(tmp_path / "run")) == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 30)), min_size=1, max_size=9))
def test_spread_is_isotonic_regression(numbers: list[tuple[int, int]]) -> None:
    wanted, gaps = [float(place) for place, _ in numbers], [float(gap) for _, gap in numbers[1:]]
    offsets = np.concatenate([[0.0], np.cumsum(gaps)])
    expected = isotonic_regression(np.array(wanted) - offsets) + offsets
    assert spread(wanted, gaps) == pytest.approx(expected.tolist(), abs=1e-9)


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_the_picture_says_what_the_graph_has() -> None:
    graph = computation_graph("3*(a+b*c)", a=5, b=3, c=2)
    picture = svg(drawing(graph))
    shown = texts(picture)
    for node in graph.nodes:
        assert node.formula in shown
        assert f"{node.value.item():g}" in shown
    for label in ("dJ/da = 3", "dJ/db = 6", "dJ/dc = 9", "dJ/du = 3", "dJ/dv = 3"):
        assert shown.count(label) == 1
    # Every arrow from the right side of its box to the left side of the other.
    curves = [element.get("d") or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}path")][1:]
    drawn = drawing(graph)
    sizes = {box.key: box_size(box) for box in drawn.boxes}
    layout = arrange(drawn, sizes, [text_width(arrow.label or "") for arrow in drawn.arrows])
    for curve, points in zip(curves, layout.arrows, strict=True):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", curve)]
        assert [*numbers[:2], *numbers[-2:]] == pytest.approx([*points[0], *points[-1]], abs=0.051)
    # Nothing but itself: no script, nothing from the network.
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in picture


def test_parts_of_a_sum_are_written_as_such() -> None:
    shown = texts(svg(drawing(computation_graph("s = a*b; J = s**2 + s", a=3, b=2))))
    assert [text for text in shown if text.startswith("dJ/ds")] == ["dJ/ds += 12", "dJ/ds += 1"]


def test_names_that_the_forms_have_their_own_use_for() -> None:
    odd = '<a> & "b" #1 `c`'
    boxes = (Box(odd, odd, (odd,), "leaf", ()), Box("J", "J", ("1",), "last", ()))
    drawn = Drawing(odd, boxes, (Arrow(odd, "J", odd),), odd)
    assert texts(svg(drawn)).count(odd) == 4
    lines = mermaid(drawn).splitlines()[3:]
    said = "#lt;a#gt; #38; #quot;b#quot; #35;1 #96;c#96;"
    assert lines == [f'  n0(["{said}<br/>{said}"])', '  n1[["J<br/>1"]]', f'  n0 -->|"{said}"| n1']


def test_a_wrong_edge_is_marked() -> None:
    boxes = (Box("a", "a", ("1",), "leaf", ()), Box("J", "J", ("1",), "last", ()))
    assert "dJ/da = 2 (autograd disagrees)" in texts(
        svg(Drawing("", boxes, (Arrow("a", "J", "dJ/da = 2", False),), ""))
    )


def test_mermaid_has_every_edge() -> None:
    text = mermaid(drawing(computation_graph("3*(a+b*c)", a=5, b=3, c=2)))
    nodes = dict(re.findall(r'^  (n\d)[(\[]+"(\w)', text, re.MULTILINE))
    links = re.findall(r'^  (n\d) -->\|"([^"]*)"\| (n\d)$', text, re.MULTILINE)
    assert {(nodes[a], label, nodes[b]) for a, label, b in links} == {
        ("b", "dJ/db = 6", "u"),
        ("c", "dJ/dc = 9", "u"),
        ("a", "dJ/da = 3", "v"),
        ("u", "dJ/du = 3", "v"),
        ("v", "dJ/dv = 3", "J"),
    }


def net() -> tuple[Network, Tensor, Tensor]:
    network = Network([Linear(3, 4), Tanh(), Linear(4, 1)], SigmoidCrossEntropy(), [L2(0.5)])
    initialise(network.double(), "xavier", seed=2)
    torch.manual_seed(5)
    return network, torch.randn(3, 6, dtype=torch.float64), (torch.rand(1, 6) > 0.5).double()


def test_a_network_in_the_notes_names_and_shapes() -> None:
    network, X, Y = net()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    J = network.cost(X, Y)
    found = network.quantities(X, Y)
    network.cost(X, Y)
    drawn = network_drawing(network, X, Y, torchbasics.check(network, X, Y))
    network.backward()  # the sweep that was under way still can
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    shown = {box.title: box.lines[0] for box in drawn.boxes}
    assert shown == {
        "X": "(3, 6)",
        "W1": "(4, 3)",
        "b1": "(4, 1)",
        "Z1 = W1 X + b1": "(4, 6)",
        "A1 = tanh(Z1)": "(4, 6)",
        "W2": "(1, 4)",
        "b2": "(1, 1)",
        "Z2 = W2 A1 + b2": "(1, 6)",
        "Y": "(1, 6)",
        "J = SigmoidCrossEntropy(Z2, Y) + L2": f"{J.item():.6g}",
    }
    labels = {(arrow.start, arrow.end): arrow.label for arrow in drawn.arrows}
    assert set(labels) == {
        ("X", "Z1"), ("W1", "Z1"), ("b1", "Z1"), ("Z1", "A1"), ("A1", "Z2"), ("W2", "Z2"), ("b2", "Z2"), ("Z2", "J"),
        ("Y", "J"), ("W1", "J"), ("W2", "J"),
    }  # fmt: skip
    for (start, end), label in labels.items():
        if start in "XY" or (start, end) in (("W1", "J"), ("W2", "J")):
            assert label is None
        else:
            gradient = found[f"d{start}"]
            shape = ", ".join(map(str, gradient.shape))
            assert label == f"d{start} ({shape}) norm {gradient.norm().item():.3g}"
    assert all(arrow.agrees for arrow in drawn.arrows)


class Wrong(Tanh):
    """A tanh whose derivative is forgotten."""

    def backward(self, dA: Tensor) -> Tensor:
        return dA


def test_a_wrong_layer_is_marked_at_its_gradient() -> None:
    network, X, Y = net()
    network.layers[1] = Wrong()
    drawn = network_drawing(network, X, Y, torchbasics.check(network, X, Y))
    assert [arrow.start for arrow in drawn.arrows if not arrow.agrees] == ["Z1"]


def read(folder: Path) -> tuple[GraphDef, str]:
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0}).Reload()
    (tag,) = events.Tags()["tensors"]
    (image,) = events.Images("graph")
    assert min(image.width, image.height) > 100
    return events.Graph(), make_ndarray(events.Tensors(tag)[0].tensor_proto).item().decode()


def test_tensorboard_gets_the_graph_and_the_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["graph", "u = b*c; v = a + u; J = 3*v", "--at", "a=5,b=3,c=2", "--run", str(tmp_path / "graph")])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    graph, text = read(tmp_path / "graph")
    nodes = {node.name: node for node in graph.node}
    assert {name: sorted(node.input) for name, node in nodes.items()} == {
        "a": [],
        "b": [],
        "c": [],
        "u": ["b", "c"],
        "v": ["a", "u"],
        "J": ["v"],
    }
    assert nodes["u"].attr["formula"].s == b"u = b*c"
    assert nodes["u"].attr["value"].s == b"6"
    assert nodes["u"].attr["derivatives"].s == b"dJ/du = 3"
    for line in text.splitlines():
        assert line.strip() in told


def window(image: np.ndarray, x: float, y: float, width: float, height: float) -> np.ndarray:
    """Around a place of the layout."""
    edges = [round(1.5 * edge) for edge in (y - height / 2, y + height / 2, x - width / 2, x + width / 2)]
    return image[edges[0] : edges[1], edges[2] : edges[3]]


def test_the_image_shows_every_box_in_its_place() -> None:
    drawn = drawing(computation_graph("3*(a+b*c)", a=5, b=3, c=2))
    image = pixels(drawn).astype(int)
    layout = arrange(
        drawn, {box.key: box_size(box) for box in drawn.boxes}, [text_width(a.label or "") for a in drawn.arrows]
    )
    assert image.shape[:2] == (round(1.5 * layout.height), round(1.5 * layout.width))
    for box in drawn.boxes:
        x, y = layout.boxes[box.key]
        width, height = box_size(box)
        corner = image[round(1.5 * (y - height / 2 + 4)), round(1.5 * (x - width / 2 + 6))]
        fill = FILLS[box.kind].lstrip("#")
        assert corner.tolist() == [int(fill[k : k + 2], 16) for k in (0, 2, 4)], box.key
        # Dark ink in its middle: the words.
        assert window(image, x, y, width - 12, height - 12).min() < 120, box.key
    for at in layout.labels:
        assert at is not None
        found = window(image, *at, 60, 14)
        # The labels' colour has much more red than blue, which no other has.
        assert (found[:, :, 0] - found[:, :, 2]).max() > 100
    assert image[0, 0].tolist() == [255, 255, 255]


def test_a_graph_too_wide_for_an_image_is_drawn_smaller_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def wide(boxes: int) -> Drawing:
        return random_drawing([[0]] * boxes)

    full = pixels(wide(12))
    assert full is not None
    monkeypatch.setattr("torchbasics.graph.picture.LARGEST", full.shape[1] // 2)
    smaller = pixels(wide(12))
    assert smaller is not None
    assert smaller.shape[1] == pytest.approx(full.shape[1] / 2, abs=2)
    assert pixels(wide(60)) is None


def test_names_and_shapes_in_tensorboard() -> None:
    network = Network([Linear(3, 4), ReLU(), Sigmoid(), Linear(4, 1)], SigmoidCrossEntropy())
    initialise(network, "he", seed=1)
    nodes = graph_def(network_drawing(network, torch.randn(3, 5), torch.ones(1, 5))).node
    assert "A1_prime" in [node.name for node in nodes]
    shapes = {node.name: [d.size for d in node.attr["_output_shapes"].list.shape[0].dim] for node in nodes}
    assert shapes["W1"] == [4, 3]
    assert shapes["A1_prime"] == [4, 5]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["graph", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_writes_pictures_and_only_over_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, text = tmp_path / "g.svg", tmp_path / "g.mmd"
    for c in ("2", "4"):
        assert run("3*(a+b*c)", "--at", f"a=5,b=3,c={c}", "--svg", str(picture), "--mermaid", str(text)) == 0
    assert "dJ/dc = dJ/dv dv/du du/dc = 3*1*3 = 9" in capsys.readouterr().out
    assert "dJ/db = 12" in texts(picture.read_text())
    assert "dJ/db = 12" in text.read_text()
    for path in (picture, text):
        path.write_text("mine")
    for option, path in (("--svg", picture), ("--mermaid", text)):
        assert run("3*(a+b*c)", "--at", "a=5,b=3,c=2", option, str(path)) == 2
        assert path.read_text() == "mine"
        assert "exists and is no" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["logistic", "deep", "cnn", "rnn"])
def test_the_command_draws_every_kind_of_model(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(model, "--examples", "3", "--svg", str(tmp_path / "g.svg")) == 0
    assert "torchbasics check: right" in capsys.readouterr().out
    assert "X" in texts((tmp_path / "g.svg").read_text())


def test_a_wrong_edge_and_a_wrong_network_are_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {key: getattr(OPERATIONS["mul"], key) for key in Operation.__dataclass_fields__}
    monkeypatch.setitem(OPERATIONS, "mul", Operation(**(fields | {"slopes": lambda v, x, y: (x, y)})))
    assert run("3*(a+b*c)", "--at", "a=5,b=3,c=2") == 1
    assert "3 of 5 edges disagree with autograd: b -> u, c -> u, v -> J" in capsys.readouterr().out
    monkeypatch.setattr(Tanh, "backward", Wrong.backward)
    assert run("shallow", "--data", "flower") == 1
    assert "torchbasics check: wrong" in capsys.readouterr().out


def test_a_model_is_in_use_and_goes_by_its_seed() -> None:
    config = TrainConfig("deep", keep_prob=0.5, layers=("64,5,1",), seed=3)
    network, X, Y = example(config, 4)
    again, _, _ = example(config, 4)
    other, _, _ = example(replace(config, seed=4), 4)
    assert torch.equal(network(X), again(X))
    assert not torch.equal(network(X), other(X))
    assert not any(part.training for part in network.modules())
    assert (X.shape, Y.shape, X.dtype) == ((64, 4), (1, 4), torch.float64)


def test_an_expression_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-a*b", "--at", "a=1,b=2") == 0
    assert "dJ/db" in capsys.readouterr().out
    assert run("-h") == 0


def test_names_in_tensorboard_stay_apart() -> None:
    graph = computation_graph("x = x*λ; x*β*x_prime", λ=1, β=2, x=1, x_prime=2)
    nodes = graph_def(drawing(graph)).node
    assert len({node.name for node in nodes}) == len(nodes) == len(graph.nodes)
    assert all(re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.]*", node.name) for node in nodes)
    assert sum(len(node.input) for node in nodes) == len(graph.edges)


@pytest.mark.parametrize("name", ["notes", "logistic-example"])
def test_the_notes_examples_are_built_in(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name) == 0
    assert "edges agree with autograd to rounding" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["3*(a+b*c)"], "no value for a, b, c"),
        (["3*a", "--at", "a=x"], "--at a=x: expected a number"),
        (["3*a", "--at", "a=1", "--layers", "2,1"], "--layers: an expression has none"),
        (["deep", "--at", "a=1"], "--at: the values of a model come from its data"),
        (["deep", "--examples", "0"], "--examples 0: expected 1 to"),
        (["deep", "--layers", "3,1"], "n_x = 64"),
        (["3*a", "--at", "a=1", "--svg", "no/such/folder.svg"], "does not exist"),
        (["3*a", "--at", "a=1", "--run", "used"], "not empty"),
        (["3*a", "--at", "a=1", "--svg", "new.svg", "--run", "used/file"], "no folder can be made in used/file"),
        (["3*a", "--at", "a=1", "--svg", "new.svg", "--run", "used/file/sub"], "no folder can be made in used/file"),
        (["3*a", "--at", "a=1", "--svg", "same", "--mermaid", "same"], "give each a file of its own"),
        (["3*a", "--at", "a=1", "--data", "digits"], "--data: an expression has none"),
        (["3*a", "--at", "a=1", "--examples", "5"], "--examples: an expression has none"),
        ([], "EXPRESSION is missing"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not told.out
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "used"]
