"""What a training run is told. Nothing heavy is imported here, so that `--help` answers at once.

Every field's docstring is its help text on the command line.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from torchbasics.errors import InputError

Model = Literal["logistic", "shallow", "deep"]
Engine = Literal["manual", "torch", "both"]
Activation = Literal["sigmoid", "tanh", "relu", "leaky-relu"]
Init = Literal["zeros", "small", "sqrt", "he", "xavier"]
Optimizer = Literal["gd", "momentum", "rmsprop", "adagrad", "adam", "adamw"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["float32", "float64"]


@dataclass(frozen=True)
class Defaults:
    """What a field left out becomes for one model: the notes' own choices on the course's pictures."""

    hidden: tuple[int, ...]
    activation: Activation
    init: Init
    learning_rate: float
    iterations: int


MODEL_DEFAULTS: dict[Model, Defaults] = {
    "logistic": Defaults((), "relu", "zeros", 0.005, 2000),
    "shallow": Defaults((7,), "relu", "small", 0.0075, 2500),
    "deep": Defaults((20, 7, 5), "relu", "sqrt", 0.0075, 2500),
}

# (logistic, shallow, deep). The course's rates suit 12,288 pixels; fewer inputs take, and need, larger steps. These
# are the largest tried at which the cost falls smoothly (deep on spirals doesn't get there without some jumps).
LEARNING_RATES: dict[str, tuple[float, float, float]] = {
    "digits": (0.3, 0.2, 0.03),
    "breast-cancer": (0.1, 0.1, 0.03),
    "flower": (0.1, 1.2, 0.03),
    "circles": (0.1, 1.0, 0.05),
    "moons": (0.3, 1.0, 0.03),
    "blobs": (0.03, 0.05, 0.01),
    "spirals": (0.1, 1.0, 0.1),
}

# These scale every step to about the rate itself, whatever the gradient: torch.optim's own defaults suit any data.
OPTIMIZER_RATES: dict[str, float] = {"rmsprop": 0.001, "adagrad": 0.01, "adam": 0.001, "adamw": 0.001}


def left_out(metavar: str, default: str) -> Any:
    """An argument whose value, when it is left out, depends on others: its help says on what."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class TrainConfig:
    """Train a network with the hand-derived engine, its torch.nn twin, or both in step on the same batches."""

    model: tyro.conf.Positional[Model] = "deep"
    """Logistic regression, one hidden layer, or L layers."""

    data: Annotated[str, tyro.conf.arg(metavar="NAME|FILE|DIR")] = "digits"
    """digits, breast-cancer, flower, circles, moons, blobs or spirals; an HDF5 file; a folder of two classes."""

    test_data: Annotated[Path | None, left_out("FILE", "test_X.h5 beside train_X.h5")] = None
    """The HDF5 file with the test set."""

    layers: Annotated[tuple[str, ...] | None, left_out("n_x,...,1", "n_x,20,7,5,1; shallow: n_x,7,1")] = None
    """Layer sizes from the inputs to the output, such as 64,20,7,5,1."""

    activation: Annotated[
        Activation | None, left_out("{sigmoid,tanh,relu,leaky-relu}", "relu; shallow, built-in data: tanh")
    ] = None
    """Activation of the hidden layers."""

    engine: Engine = "both"
    """Gradients by hand, by autograd through the torch.nn twin, or both, from equal parameters on equal batches."""

    iterations: Annotated[int | None, left_out("N", "2500; logistic: 2000")] = None
    """Parameter updates."""

    learning_rate: Annotated[
        float | None, left_out("ALPHA", "0.0075; logistic: 0.005; built-in data: its own; adam, ...: 0.001")
    ] = None
    """alpha in W := W - alpha dW."""

    optimizer: Optimizer = "gd"
    """Gradient descent, by hand on the manual engine and torch.optim.SGD on the twin, or torch.optim's on both."""

    batch_size: Annotated[int | None, left_out("N", "all")] = None
    """Examples per update; every pass visits each example once, in a new order."""

    init: Annotated[Init | None, left_out("{zeros,small,sqrt,he,xavier}", "sqrt; shallow: small; logistic: zeros")] = (
        None
    )
    """Initial weights: 0, randn * 0.01, randn / sqrt(n_prev), He's or Xavier's."""

    seed: int = 1
    """Seed of the initial weights, of a random train/test split and of the batches' order."""

    device: Device = "auto"
    """auto takes a GPU if there is one."""

    dtype: Dtype = "float64"
    """In float64 the engines keep together; in float32, runs of ReLU networks part after some hundred steps."""

    run: Annotated[str | None, left_out("NAME", "MODEL-DATA, numbered if taken")] = None
    """The run's name."""

    runs_dir: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """The run goes to DIR/NAME."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and checkpoints."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`, also after JSON has made lists of tuples."""
        test_data = values["test_data"]
        return cls(
            **{
                **values,
                "layers": values["layers"] and tuple(values["layers"]),
                "runs_dir": Path(values["runs_dir"]),
                "test_data": None if test_data is None else Path(test_data),
            }
        )

    def check(self) -> None:
        """Refuse values that no data could make right, before anything is read or written."""
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise InputError(f"--learning-rate {self.learning_rate}: expected a positive number, such as 0.0075")
        if self.iterations is not None and self.iterations < 1:
            raise InputError(f"--iterations {self.iterations}: expected 1 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"--batch-size {self.batch_size}: expected 1 or more; leave it out to use every example")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed {self.seed}: expected 0 to 4294967295, the seeds that NumPy's generator takes")
        if self.model == "logistic" and self.activation is not None:
            raise InputError("--activation: logistic regression has no hidden layer; leave it out")

    def layer_sizes(self, n_x: int) -> list[int]:
        """[n_x, n[1], ..., 1] for data with n_x inputs. Raises `InputError` for sizes that fit neither."""
        if self.layers is None:
            return [n_x, *MODEL_DEFAULTS[self.model].hidden, 1]
        # A space may stand between two sizes, in place of a comma or after it.
        text = ",".join(word.removesuffix(",") for word in self.layers)
        example = ",".join(map(str, [n_x, *MODEL_DEFAULTS[self.model].hidden, 1]))
        parts = text.split(",")
        if not all(part.isascii() and part.removeprefix("-").isdecimal() for part in parts):
            raise InputError(f"--layers {text}: expected whole numbers, such as {example}")
        sizes = [int(part) for part in parts]
        count = {"logistic": 2, "shallow": 3}.get(self.model)
        if count is not None and len(sizes) != count:
            raise InputError(
                f"--layers {text}: {self.model} takes {count} sizes, such as {example}; deep takes any number"
            )
        if len(sizes) < 2 or min(sizes) < 1 or max(sizes) >= 2**63:
            raise InputError(f"--layers {text}: expected two or more positive sizes, such as {example}")
        if sizes[0] != n_x:
            raise InputError(
                f"--layers {text}: the first size must be n_x = {n_x}, the inputs of this data, as in {example}"
            )
        if sizes[-1] != 1:
            raise InputError(f"--layers {text}: the last size must be 1, the probability of label 1, as in {example}")
        return sizes

    @property
    def sizes(self) -> list[int]:
        """[n_x, n[1], ..., 1] of a resolved configuration."""
        assert self.layers is not None
        return [int(size) for size in self.layers]

    def resolve(self, n_x: int) -> "TrainConfig":
        """The same run with every field that was left out filled in, for data with n_x inputs."""
        defaults = MODEL_DEFAULTS[self.model]
        built_in = self.data in LEARNING_RATES
        # The notes' week 3 has tanh on the plane's points, and week 4 ReLU on pictures.
        activation = "tanh" if self.model == "shallow" and built_in else defaults.activation
        rate = defaults.learning_rate
        if self.optimizer in OPTIMIZER_RATES:
            rate = OPTIMIZER_RATES[self.optimizer]
        elif built_in:
            rate = LEARNING_RATES[self.data][list(MODEL_DEFAULTS).index(self.model)]
        return replace(
            self,
            layers=tuple(str(size) for size in self.layer_sizes(n_x)),
            activation=self.activation or activation,
            iterations=self.iterations or defaults.iterations,
            learning_rate=self.learning_rate or rate,
            init=self.init or defaults.init,
        )
