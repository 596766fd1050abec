"""What `torchbasics bench layers` measures: both sides' whole step, and their memory to the byte."""

import pytest
import torch
from torch import Tensor

from torchbasics import bench, layers
from torchbasics.check.networks.builtin import concrete
from torchbasics.cli import main
from torchbasics.errors import InputError
from torchbasics.layers import Layer

REARRANGING = {"Chain", "Concatenate", "Flatten", "Images", "Last", "MeanOverTime", "PositionalEncoding", "Residual"}
REARRANGING |= {"Rows", "Slice"}


def test_every_layer_that_computes_has_a_case() -> None:
    assert {kind.__name__ for kind in concrete(Layer, "torchbasics.layers")} - REARRANGING == set(bench.CASES)


@pytest.mark.parametrize("name", bench.CASES)
def test_every_case_is_of_its_name_and_fits(name: str) -> None:
    case = bench.CASES[name]
    layer = case.make()
    assert type(layer).__name__ == name
    tokens = layer.takes_tokens
    # One example of it, and as few steps or pixels as that leaves.
    shape = (*case.shape[:-1], 2)
    A_prev = torch.zeros(shape) if tokens else torch.randn(shape)
    assert layer.backward(torch.randn(layer(A_prev).shape)).shape == A_prev.shape


def test_sequences_lie_as_the_layers_hand_them_on(monkeypatch: pytest.MonkeyPatch) -> None:
    strides: list[tuple[int, ...]] = []

    def forward(layer: Layer, A_prev: Tensor) -> Tensor:
        strides.append(A_prev.stride())
        return A_prev.movedim(1, 0).contiguous().movedim(0, 1)

    def backward(layer: Layer, dA: Tensor) -> Tensor:
        strides.append(dA.stride())
        return dA

    monkeypatch.setattr(layers.Tanh, "forward", forward)
    monkeypatch.setattr(layers.Tanh, "backward", backward)
    # Features, steps and examples: A_prev is example after example, and dA in the order of A.
    for channelwise, A_prev in ((False, (1, 3, 12)), (True, (4, 1, 12))):
        strides.clear()
        bench.measure(bench.Case(layers.Tanh, (3, 4, 5), channelwise), rounds=1)
        assert set(strides) == {A_prev, (5, 15, 1)}


def test_the_peak_is_what_is_alive_at_once() -> None:
    def step() -> None:
        a = torch.ones(1000)  # 4,000 bytes
        b = a * 2  # 8,000 alive
        del a
        c = b + 1  # 8,000 alive
        d = torch.cat([b, c])  # 16,000 alive
        d.add_(1)
        b.view(10, 100)  # the same storage

    assert bench._peak(step) == 16_000


def test_both_sides_are_measured() -> None:
    found = bench.measure(bench.Case(lambda: layers.Linear(300, 200), (300, 100)), rounds=3)
    assert min(found.seconds) > 0
    A, dA_prev, gradients = 4 * 200 * 100, 4 * 300 * 100, 4 * (200 * 300 + 200)
    assert min(found.peak) >= A + dA_prev + gradients
    assert found.time_ratio == found.seconds[0] / found.seconds[1]
    assert found.memory_ratio == found.peak[0] / found.peak[1]


def test_the_table_has_a_row_for_each_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "layers", "Tanh", "Embedding", "--rounds", "1"])
    out = capsys.readouterr().out
    assert exit_.value.code == 0
    assert "Tanh" in out
    assert "Embedding" in out
    assert "of 2 by hand in at most 1.1 times the twin's time" in out
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["Conv3d"], "no layer is called 'Conv3d'; did you mean 'Conv"), (["--rounds", "0"], "--rounds 0: expected 1 or")],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "layers", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no layer is called 'ReLu'; did you mean 'ReLU'"):
        bench.chosen(["ReLu"])
