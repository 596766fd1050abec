"""What a run is told: choices, defaults, layer sizes, names, devices, and what is refused."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from runs import listing, small
from torchbasics.data import NAMES
from torchbasics.data.sequences import SEQUENCES
from torchbasics.errors import InputError
from torchbasics.initialisation import SCALES
from torchbasics.models import ACTIVATIONS, CELLS
from torchbasics.training import config
from torchbasics.training.config import LEARNING_RATES, MODEL_DEFAULTS, OPTIMIZER_RATES, TrainConfig
from torchbasics.training.device import pick_device
from torchbasics.training.engines import ENGINES, OPTIMIZERS
from torchbasics.training.folder import free_folder
from torchbasics.training.run import create

pytestmark = pytest.mark.usefixtures("nothing_drawn")


# Configuration


def test_the_choices_are_those_that_there_are() -> None:
    assert get_args(config.Activation) == tuple(ACTIVATIONS)
    assert get_args(config.Init) == tuple(SCALES)
    assert get_args(config.Optimizer) == tuple(OPTIMIZERS)
    assert get_args(config.Engine) == (*ENGINES, "both")
    assert get_args(config.Model) == tuple(MODEL_DEFAULTS)
    assert get_args(config.Cell) == tuple(CELLS)
    assert tuple(LEARNING_RATES) == tuple(name for name in NAMES if name not in SEQUENCES)
    assert {defaults.data for defaults in MODEL_DEFAULTS.values()} <= set(NAMES)
    # The help names what a field left out becomes, and the data there is.
    source = inspect.getsource(TrainConfig)
    assert f'"""{", ".join(NAMES[:-1])} or {NAMES[-1]};' in source
    assert "init: Annotated" in source
    assert f'left_out("{{{",".join(SCALES)}}}"' in source


def test_a_configuration_survives_json() -> None:
    full = TrainConfig(
        model="shallow",
        data="a.h5",
        test_data=Path("b.h5"),
        layers=("3", "2", "1"),
        activation="tanh",
        iterations=5,
        learning_rate=0.1,
        optimizer="adam",
        batch_size=2,
        init="he",
        run="name",
        runs_dir=Path("elsewhere"),
    )
    for settings in (TrainConfig(), full):
        assert TrainConfig.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
        assert TrainConfig.from_dict(settings.to_dict()) == settings


def test_the_runs_config_file_says_what_it_was_trained_with(pictures: str) -> None:
    run = create(TrainConfig("shallow", pictures, runs_dir=Path(pictures).parent / "runs"))
    written = TrainConfig.from_dict(json.loads((run.folder / "config.json").read_text()))
    assert written == run.config
    assert (written.layers, written.activation, written.init) == (("60", "7", "1"), "relu", "small")
    assert (written.iterations, written.learning_rate) == (2500, 0.0075)


@pytest.mark.parametrize(
    ("model", "layers", "expected"),
    [
        ("logistic", (), [60, 1]),
        ("shallow", (), [60, 7, 1]),
        ("deep", (), [60, 20, 7, 5, 1]),
        ("deep", ("60,1",), [60, 1]),
        ("deep", ("60", "3", "1"), [60, 3, 1]),
        ("deep", ("60,", "3,1"), [60, 3, 1]),
        ("shallow", ("60,4,1",), [60, 4, 1]),
    ],
)
def test_layer_sizes(model: config.Model, layers: tuple[str, ...], expected: list[int]) -> None:
    settings = TrainConfig(model, layers=layers) if layers else TrainConfig(model)
    assert settings.layer_sizes(60, 1) == expected


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        ("deep", "61,5,1", "--layers 61,5,1: the first size must be n_x = 60, .* as in 60,20,7,5,1"),
        ("deep", "60,5,2", "the last size must be 1"),
        ("deep", "60", "two or more positive sizes"),
        ("deep", "60,0,1", "two or more positive sizes"),
        ("deep", "60,-4,1", "two or more positive sizes"),
        ("deep", "60,five,1", "--layers 60,five,1: expected whole numbers, such as 60,20,7,5,1"),
        ("deep", "60,2.5,1", "whole numbers"),
        ("deep", ",", "whole numbers"),
        ("logistic", "60,5,1", "logistic takes 2 sizes, such as 60,1; deep takes any number"),
        ("shallow", "60,5,4,1", "shallow takes 3 sizes, such as 60,7,1"),
        ("transformer", "60,32,1", "transformer takes 4 sizes, such as 60,32,64,1"),
        ("rnn", "60,1", "rnn with no hidden size"),
        ("transformer", "60,30,64,1", "the width, which is even and divides into 4 heads"),
        ("cnn", "60,16,1", "expected channels and then units, as in 16,32,64"),
        ("cnn", "60,4,4,4,4,8,1", "4 POOLs halve a picture of .* to nothing; give fewer convolutions"),
        ("hybrid", "60,4,8,1", "hybrid needs pictures with structured inputs beside them"),
    ],
)
def test_bad_layer_sizes(pictures: str, model: config.Model, layers: str, message: str) -> None:
    settings = TrainConfig(model, pictures, layers=(layers,), runs_dir=Path(pictures).parent / "runs")
    with pytest.raises(InputError, match=message):
        create(settings)
    assert not settings.runs_dir.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "--learning-rate 0.0: expected a positive number"),
        ({"learning_rate": -0.1}, "--learning-rate -0.1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"learning_rate": float("inf")}, "--learning-rate inf"),
        ({"iterations": 0}, "--iterations 0: expected 1 or more"),
        ({"batch_size": 0}, "--batch-size 0: expected 1 or more"),
        ({"batch_size": -5}, "--batch-size -5"),
        ({"batch_size": 24}, "--batch-size 24: there are only 23 training examples"),
        ({"seed": -1}, "--seed -1: expected 0 to 4294967295"),
        ({"seed": 2**32}, "--seed 4294967296"),
        ({"model": "logistic", "activation": "relu"}, "logistic regression has no hidden layer"),
        ({"model": "rnn", "activation": "relu"}, "the cells of an rnn have their own; choose one by --cell"),
        ({"model": "cnn", "cell": "gru"}, "--cell gru: cnn has no recurrent layer; train rnn, or leave it out"),
        ({"l2": -0.1}, "--l2 -0.1: expected lambda, 0 or a positive number"),
        ({"l1": float("nan")}, "--l1 nan: expected lambda"),
        ({"keep_prob": 0.0}, "--keep-prob 0.0: expected more than 0 and at most 1"),
        ({"keep_prob": 1.5}, "--keep-prob 1.5"),
        ({"model": "rnn", "keep_prob": 0.5}, "--keep-prob: rnn has no fully connected hidden layer"),
        ({"device": "cuda"}, "--device cuda: torch finds no such device here"),
        ({"run": "a/b"}, "--run 'a/b': expected a name without folders"),
        ({"run": ""}, "--run ''"),
        ({"run": "."}, "--run '.'"),
        ({"run": ".."}, r"--run '\.\.'"),
        ({"run": "r" * 300}, "--run"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(
    pictures: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = replace(TrainConfig("deep", pictures, runs_dir=Path(pictures).parent / "runs"), **changes)
    before = listing(Path(pictures).parent)
    with pytest.raises(InputError, match=message) as refusal:
        create(settings)
    assert "\n" not in str(refusal.value)
    assert listing(Path(pictures).parent) == before
    assert not settings.runs_dir.exists()


def test_what_is_left_out_becomes_the_models_and_the_datas_own() -> None:
    resolved = TrainConfig("shallow", "flower").resolve(2)
    assert (resolved.layers, resolved.activation, resolved.init) == (("2", "7", "1"), "tanh", "small")
    assert (resolved.iterations, resolved.learning_rate) == (2500, 1.2)
    given = TrainConfig("deep", "flower", layers=("2,3,1",), activation="sigmoid", iterations=7, learning_rate=9.0)
    assert given.resolve(2) == replace(given.filled(), layers=("2", "3", "1"), init="sqrt")
    rates = {model: TrainConfig(model, "cats.h5").resolve(9).learning_rate for model in MODEL_DEFAULTS}
    assert rates == {model: defaults.learning_rate for model, defaults in MODEL_DEFAULTS.items()}
    assert [rates[model] for model in ("logistic", "shallow", "deep")] == [0.005, 0.0075, 0.0075]


def test_what_is_left_out_becomes_the_models_own_beyond_the_notes() -> None:
    for model, defaults in MODEL_DEFAULTS.items():
        resolved = TrainConfig(model).resolve(64, 10)
        assert resolved.sizes == [64, *defaults.hidden, 10]
        for key in ("data", "optimizer", "batch_size", "dtype", "keep_prob", "init", "iterations"):
            assert getattr(resolved, key) == getattr(defaults, key), key
        assert resolved.resolve(64, 10) == resolved
    # Another optimizer than the model's own takes its own rate.
    assert TrainConfig("cnn", optimizer="rmsprop").resolve(64).learning_rate == 0.001
    assert TrainConfig("cnn", optimizer="gd").resolve(64).learning_rate == 0.05
    assert TrainConfig("deep", "digits", optimizer="adam").resolve(64).learning_rate == 0.001
    assert TrainConfig("deep", "digits", optimizer="momentum").resolve(64).learning_rate == 0.03


def test_a_run_without_a_name_is_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    unnamed = TrainConfig("deep", "somewhere/train_cats.h5", runs_dir=tmp_path)
    for name in ("deep-cats", "deep-cats-2", "deep-cats-3"):
        folder = free_folder(unnamed)
        assert folder == tmp_path / name
        folder.mkdir()
    named = replace(unnamed, run="mine")
    assert free_folder(named) == tmp_path / "mine"
    (tmp_path / "mine").mkdir()
    with pytest.raises(
        InputError, match=r"exists; go on with it by 'torchbasics resume .*mine --iterations N', or choose"
    ):
        free_folder(named)


def test_the_device_is_one_that_is_there_and_holds_the_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    machine(cuda=False, mps=False)
    assert pick_device("auto", "float64").type == "cpu"
    for absent in ("cuda", "mps"):
        with pytest.raises(InputError, match=rf"--device {absent}: .*finds: cpu\); leave --device out"):
            pick_device(absent, "float32")
    machine(cuda=True, mps=False)
    assert pick_device("auto", "float64").type == "cuda"
    machine(cuda=False, mps=True)
    assert pick_device("auto", "float32").type == "mps"
    assert pick_device("auto", "float64").type == "cpu"
    with pytest.raises(InputError, match="mps has no float64: add --dtype float32"):
        pick_device("mps", "float64")


def test_layers_that_no_memory_holds_are_refused(pictures: str) -> None:
    settings = small(pictures, layers=("60,100000000000,1",))
    with pytest.raises(InputError, match="no memory for so many weights; give smaller sizes"):
        create(settings)
    assert not settings.runs_dir.exists()


def test_an_optimizer_that_scales_its_steps_has_its_own_default_rate() -> None:
    for optimizer, rate in OPTIMIZER_RATES.items():
        for data in ("digits", "cats.h5"):
            assert TrainConfig("deep", data, optimizer=optimizer).resolve(64).learning_rate == rate
    assert TrainConfig("deep", "digits", optimizer="momentum").resolve(64).learning_rate == 0.03
