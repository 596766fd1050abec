"""RNN, GRU and LSTM: against cells in a loop, against the stock parts, and every example by itself."""

import copy
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loops_recurrent import Arrays, through_time
from numerics import assert_close, generator, randomise, seeds
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import GRU, LSTM, RNN, Last, Linear, Tanh
from torchbasics.layers import recurrent as package
from torchbasics.layers.recurrent import Recurrent
from torchbasics.losses import SquaredError
from torchbasics.network import Network, set_lengths
from torchbasics.notation import examples_first, examples_last
from torchbasics.training.engines import ManualEngine, TorchEngine

KINDS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of one or two steps, as only long sequences of many examples have otherwise."""
    monkeypatch.setattr(package.through_time, "STRETCH", 20)


def sequences(layer: Recurrent, T: int, m: int, seed: int) -> tuple[Recurrent, Tensor, Tensor]:
    """The layer with random parameters, A_prev and a random cotangent dA, in float64."""
    g = generator(seed)
    randomise(layer.double(), g)
    n = layer.n_a * (2 if layer.bidirectional else 1)
    A_prev, dA = (torch.randn(rows, T, m, generator=g, dtype=torch.float64) for rows in (layer.n_x, n))
    return layer, A_prev, dA


def by_hand(layer: Recurrent, A_prev: Tensor, dA: Tensor) -> dict[str, Tensor]:
    """A, dA_prev and the parameters' gradients."""
    found = {"A": layer(A_prev), "dA_prev": layer.backward(dA)}
    return found | {f"d{name}": parameter.grad for name, parameter in layer.named_parameters()}


def by_autograd(layer: Recurrent, A_prev: Tensor, dA: Tensor) -> dict[str, Tensor]:
    """The same by the twin and autograd."""
    twin, first = layer.twin(), examples_first(A_prev).clone().requires_grad_()
    A, m = twin(first), A_prev.shape[-1]
    ((A * examples_first(dA)).sum() / m).backward()
    found = {"A": examples_last(A.detach()), "dA_prev": examples_last(first.grad) * m}
    return found | {f"d{name}": theirs.grad.reshape(ours.shape) for name, ours, theirs in layer.pairs(twin)}


def assert_all_close(ours: dict[str, Tensor], reference: dict[str, Tensor], ulps: float) -> None:
    """Every quantity, and no other."""
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        assert_close(ours[name], value, name, ulps)


def course_parameters(layer: Recurrent) -> tuple[str, Arrays]:
    """The kind's name in the loops, and the layer's parameters as they stand there."""
    own = {name: values.numpy() for name, values in layer.named_parameters()}
    if isinstance(layer, RNN):
        return "rnn", own
    if isinstance(layer, LSTM):
        W, b = np.split(np.hstack([own["Waa"], own["Wax"]]), 4), np.split(own["ba"], 4)
        return "lstm", {f"W{gate}": W[k] for k, gate in enumerate("ifco")} | {
            f"b{gate}": b[k] for k, gate in enumerate("ifco")
        }
    names = {"Wax": "Wx", "Waa": "Wa", "bax": "bx", "baa": "ba"}
    parts = {name: np.split(own[name], 3) for name in own}
    return "gru", {f"{names[name]}{gate}": parts[name][k] for name in own for k, gate in enumerate("ruc")}


def own_gradients(layer: Recurrent, found: Arrays) -> dict[str, Tensor]:
    """The loops' gradients as the layer's parameters have them."""
    if isinstance(layer, RNN):
        stacked = {name: found[f"d{name}"] for name, _ in layer.named_parameters()}
    elif isinstance(layer, LSTM):
        W = np.vstack([found[f"dW{gate}"] for gate in "ifco"])
        b = np.vstack([found[f"db{gate}"] for gate in "ifco"])
        stacked = {"Wax": W[:, layer.n_a :], "Waa": W[:, : layer.n_a], "ba": b}
    else:
        names = {"Wax": "Wx", "Waa": "Wa", "bax": "bx", "baa": "ba"}
        stacked = {own: np.vstack([found[f"d{name}{gate}"] for gate in "ruc"]) for own, name in names.items()}
    return {f"d{name}": torch.from_numpy(value) for name, value in stacked.items()}


@every_kind
@settings(max_examples=25, deadline=None)
@given(sizes=st.permutations([2, 3, 4, 5, 6]), seed=seeds)
def test_cells_in_a_loop_agree(kind: type[Recurrent], sizes: list[int], seed: int) -> None:
    n_x, n_a, T, m, _ = sizes
    layer, A_prev, dA = sequences(kind(n_x, n_a), T, m, seed)
    name, parameters = course_parameters(layer)
    a, gradients = through_time(name, A_prev.mT.numpy(), dA.mT.numpy(), parameters)
    reference = {"A": torch.from_numpy(a).mT, "dA_prev": torch.from_numpy(gradients["dx"]).mT}
    reference |= {name: gradient / m for name, gradient in own_gradients(layer, gradients).items()}
    assert_all_close(by_hand(layer, A_prev, dA), reference, ulps=4096)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from([*KINDS.values()]),
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    sizes=st.permutations([2, 3, 4, 5, 6]),
    differ=st.booleans(),
    seed=seeds,
)
def test_stock_parts_agree(
    kind: type[Recurrent],
    num_layers: int,
    bidirectional: bool,
    sizes: list[int],
    differ: bool,
    seed: int,
) -> None:
    n_x, n_a, T, m, _ = sizes
    layer, A_prev, dA = sequences(kind(n_x, n_a, num_layers, bidirectional), T, m, seed)
    if differ:
        layer.lengths = torch.randint(1, T + 1, (m,), generator=generator(seed))
    twin = layer.twin()
    assert type(twin.part) is {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}[kind]
    assert [name for name, _, _ in layer.pairs(twin)] == [name for name, _ in layer.named_parameters()]
    # A rounding is carried through every weight above and after it, each of which may enlarge it.
    assert_all_close(by_hand(layer, A_prev, dA), by_autograd(layer, A_prev, dA), ulps=4096)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_example_is_as_by_itself_without_what_lies_beyond(kind: type[Recurrent], bidirectional: bool) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, 2, bidirectional), 5, 6, 0)
    lengths = torch.tensor([5, 1, 3, 4, 2, 5])
    m = len(lengths)
    for i, length in enumerate(lengths):
        A_prev[:, length:, i] = torch.nan
    layer.lengths = lengths
    together = by_hand(layer, A_prev, dA)
    alone = copy.deepcopy(layer)
    alone.lengths = None
    sums = {name: torch.zeros_like(value) for name, value in together.items()}
    for i, length in enumerate(lengths):
        found = by_hand(alone, A_prev[:, :length, i : i + 1], dA[:, :length, i : i + 1])
        for name, value in found.items():
            if name in ("A", "dA_prev"):
                sums[name][:, :length, i : i + 1] = value
            else:
                sums[name] += value / m
    assert_all_close(together, sums, ulps=1024)
    assert all(
        together[name][:, length:, i].eq(0).all() for name in ("A", "dA_prev") for i, length in enumerate(lengths)
    )


@every_kind
def test_lengths_of_all_steps_change_nothing(kind: type[Recurrent]) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, 2, True), 5, 6, 1)
    without = by_hand(layer, A_prev, dA)
    layer.lengths = torch.full((6,), 5)
    for name, value in by_hand(layer, A_prev, dA).items():
        assert torch.equal(value, without[name]), name


@every_kind
@pytest.mark.parametrize("stretch", [1, 2, 3, 7, 100])
def test_stretches_make_no_difference(kind: type[Recurrent], stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, 1, True), 7, 5, 2)
    monkeypatch.setattr(package.through_time, "STRETCH", 10**9)
    whole = by_hand(layer, A_prev, dA)
    numbers = layer.n_a * 5
    monkeypatch.setattr(package.through_time, "STRETCH", stretch * numbers)
    assert [len(range(*steps.indices(7))) for steps in layer.stretches(A_prev.permute(1, 2, 0))] == [
        min(stretch, 7 - first) for first in range(0, 7, stretch)
    ]
    assert_all_close(by_hand(layer, A_prev, dA), whole, ulps=256)


@every_kind
@settings(max_examples=12, deadline=None)
@given(order=st.permutations([0, 1, 2]), dA_order=st.permutations([0, 1, 2]), bidirectional=st.booleans())
def test_any_memory_layout(kind: type[Recurrent], order: list[int], dA_order: list[int], bidirectional: bool) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, bidirectional=bidirectional), 5, 6, 3)
    expected = {name: value.clone() for name, value in by_hand(layer, A_prev, dA).items()}

    def laid_out(A: Tensor, axes: list[int]) -> Tensor:
        return A.permute(axes).contiguous().permute([axes.index(k) for k in range(3)])

    assert_all_close(by_hand(layer, laid_out(A_prev, order), laid_out(dA, dA_order)), expected, ulps=64)


@every_kind
@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 2, 4])])
def test_sweeps_leave_alone_what_they_are_given(kind: type[Recurrent], lengths: Tensor | None) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, 2, True), 5, 3, 4)
    layer.lengths = lengths
    # (T, m, n) in memory, which the sweeps take without a copy.
    A_prev, dA = (A.permute(1, 2, 0).contiguous().permute(2, 0, 1) for A in (A_prev, dA))
    given = A_prev.clone(), dA.clone()
    A = layer(A_prev)
    kept = A.clone()
    first = {name: value.clone() for name, value in by_hand(layer, A_prev, dA).items()}
    layer.backward(dA)
    assert torch.equal(A_prev, given[0])
    assert torch.equal(dA, given[1])
    assert torch.equal(A, kept)
    for name, parameter in layer.named_parameters():
        assert torch.equal(parameter.grad, first[f"d{name}"]), "a second backward gives the same, and adds nothing up"


@every_kind
def test_what_the_last_sweep_kept_is_gone_before_the_next(
    kind: type[Recurrent], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, A_prev, _ = sequences(kind(3, 4, 2), 5, 6, 11)
    layer(A_prev)
    sweep, found = kind.sweep, []

    def watched(level: Recurrent, X: Tensor, way: str) -> Tensor:
        found.append([*level.caches])
        return sweep(level, X, way)

    monkeypatch.setattr(kind, "sweep", watched)
    layer(A_prev)
    assert found == [[], []]


@every_kind
def test_gradients_forms_no_dA_prev_but_those_between_the_levels(
    kind: type[Recurrent], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, A_prev, dA = sequences(kind(3, 4, 2, True), 5, 6, 5)
    expected = by_hand(layer, A_prev, dA)
    formed = []
    level_back = Recurrent.level_back

    def watched(level: Recurrent, dA: Tensor, way: str, inner: bool) -> Tensor:
        formed.append((level.n_x, way, inner))
        return level_back(level, dA, way, inner)

    monkeypatch.setattr(Recurrent, "level_back", watched)
    layer.gradients(dA)
    assert formed == [(8, "", True), (8, "_back", True), (3, "", False), (3, "_back", False)]
    for name, parameter in layer.named_parameters():
        assert torch.equal(parameter.grad, expected[f"d{name}"]), name


@every_kind
def test_one_step_of_one_example_and_one_unit(kind: type[Recurrent]) -> None:
    layer, A_prev, dA = sequences(kind(1, 1, 2, True), 1, 1, 6)
    ours = by_hand(layer, A_prev, dA)
    assert_all_close(ours, by_autograd(layer, A_prev, dA), ulps=256)
    assert ours["dlayers.0.Waa"].eq(0).all(), "a<0> = 0"


def test_a_network_numbers_the_levels() -> None:
    network = Network([Linear(5, 3), Tanh()], SquaredError())
    assert network.names == ["Z1", "A1"]
    network = Network([LSTM(3, 4, num_layers=2, bidirectional=True), Last(), Linear(8, 1)], SquaredError())
    assert network.names == ["A2", "A2'", "Z3"]
    ways = ["Wax{}", "Waa{}", "ba{}", "Wax_back{}", "Waa_back{}", "ba_back{}"]
    expected = [name.format(level) for level in (1, 2) for name in ways] + ["W3", "b3"]
    assert [name for name, _ in network.notes_parameters()] == expected
    assert [name for name, _, _ in network.pairs(network.twin())] == expected
    assert dict(network.notes_parameters())["Wax_back2"].shape == (16, 8)


@every_kind
def test_both_engines_take_equal_steps(kind: type[Recurrent]) -> None:
    network = Network([kind(3, 4, 2, True), Last(), Linear(8, 1)], SquaredError()).double()
    initialise(network, "xavier", seed=1)
    assert all(values.abs().sum() > 0 for name, values in network.notes_parameters() if name.startswith("W"))
    set_lengths(network, torch.tensor([5, 2, 4, 1, 5, 3]))
    engines = ManualEngine(network, "adam", 0.05), TorchEngine(network, "adam", 0.05)
    g = generator(7)
    for _ in range(4):
        X, Y = torch.randn(3, 5, 6, generator=g).double(), torch.randn(1, 6, generator=g).double()
        for engine in engines:
            engine.cost_and_gradients(X, Y)
            engine.update()
    twin = engines[1].module
    assert len([*twin.parameters()]) == len([*network.parameters()])
    for name, ours, theirs in network.pairs(twin):
        # Adam divides by the gradient's size, which may itself be small.
        assert_close(ours, theirs.reshape(ours.shape), name, ulps=1e6)
    spare = {name: values for name, values in twin.named_buffers() if "bias_hh" in name}
    assert len(spare) == (0 if kind is GRU else 4)
    assert not any(values.any() for values in spare.values())


@every_kind
def test_the_twin_has_the_lengths_of_when_it_was_made_and_set_lengths_sets_both(kind: type[Recurrent]) -> None:
    layer, A_prev, _ = sequences(kind(3, 4, 1, True), 5, 2, 8)
    network = Network([layer], SquaredError())
    whole, twin = layer(A_prev), network.twin()
    lengths = torch.tensor([2, 5])
    set_lengths(network, lengths)
    assert layer(A_prev)[:, 2:, 0].eq(0).all()
    assert_close(examples_last(twin(examples_first(A_prev)).detach()), whole, "A")
    set_lengths(twin, lengths)
    assert_close(examples_last(twin(examples_first(A_prev)).detach()), layer(A_prev), "A")
    set_lengths(network, None)
    assert torch.equal(layer(A_prev), whole)


def test_a_copy_or_another_dtype_goes_on_by_itself() -> None:
    layer, A_prev, dA = sequences(LSTM(3, 4), 5, 2, 9)
    expected = by_hand(layer, A_prev, dA)
    copied = copy.deepcopy(layer)
    for parameter in layer.parameters():
        parameter.data.zero_()
    assert_all_close(by_hand(copied, A_prev, dA), expected, ulps=1)
    twin = copied.twin().float()
    assert_close(examples_last(twin(examples_first(A_prev).float()).detach()).double(), expected["A"], "A", ulps=2**32)


MISFITS = {
    "vectors": (torch.zeros(3, 6), None, r"of shape (3, 6), expected (3, T, m), T and m 1 or more"),
    "examples first": (torch.zeros(6, 5, 3), None, r"of shape (6, 5, 3), expected (3, T, m)"),
    "no step": (torch.zeros(3, 0, 6), None, r"of shape (3, 0, 6), expected (3, T, m), T and m 1 or more"),
    "no example": (torch.zeros(3, 5, 0), None, r"of shape (3, 5, 0), expected (3, T, m), T and m 1 or more"),
    "another batch's": (torch.zeros(3, 5, 6), torch.ones(4).long(), r"lengths of shape (4,) for A_prev (3, 5, 6)"),
    "no length": (
        torch.zeros(3, 5, 2),
        torch.tensor([1, 0]),
        r"length 0 for example 1, expected a whole number from 1",
    ),
    "too long": (torch.zeros(3, 5, 2), torch.tensor([6, 1]), r"length 6 for example 0, expected a whole number from 1"),
    "not a number": (torch.zeros(3, 5, 2), torch.tensor([2, torch.nan]), r"length nan for example 1, expected a whole"),
    "without an end": (
        torch.zeros(3, 5, 2),
        torch.tensor([torch.inf, 2]),
        r"length inf for example 0, expected a whole",
    ),
    "a list": (torch.zeros(3, 5, 2), [2, 1], r"lengths as a list, expected a tensor of shape (2,)"),
    "half a step": (torch.zeros(3, 5, 2), torch.tensor([2, 1.5]), r"length 1.5 for example 1, expected a whole number"),
}


@every_kind
@pytest.mark.parametrize(("A_prev", "lengths", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not_fit_is_said(kind: type[Recurrent], A_prev: Tensor, lengths: object, message: str) -> None:
    layer = kind(3, 4, 2)
    layer.lengths = lengths
    with pytest.raises(InputError, match=rf"^{kind.__name__}\(3, 4\) got .*{re.escape(message)}[^\n]*$"):
        layer(A_prev)


@every_kind
@pytest.mark.parametrize(
    ("sizes", "which"),
    [((0, 4), "n_x = 0"), ((3, 0), "n_a = 0"), ((3, -1), "n_a = -1"), ((3, 4, 0), "num_layers = 0")],
)
def test_no_rows_and_no_levels_are_refused(kind: type[Recurrent], sizes: tuple[int, ...], which: str) -> None:
    with pytest.raises(InputError, match=rf"^{kind.__name__} got {which}, expected a whole number, 1 or more$"):
        kind(*sizes)


def test_printing_says_what_it_is() -> None:
    assert str(RNN(3, 4)) == "RNN(n_x=3, n_a=4)"
    assert "n_x=3, n_a=4, num_layers=2, bidirectional" in str(GRU(3, 4, 2, True))


def test_lengths_as_floating_point_numbers_do_too() -> None:
    layer, A_prev, _ = sequences(RNN(3, 4), 5, 2, 10)
    layer.lengths = torch.tensor([2, 5])
    expected = layer(A_prev)
    layer.lengths = torch.tensor([2.0, 5.0])
    assert torch.equal(layer(A_prev), expected)
    assert_close(examples_last(layer.twin()(examples_first(A_prev)).detach()), expected, "A")
