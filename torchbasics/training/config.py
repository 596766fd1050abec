"""What a training run is told. Nothing heavy is imported here, so that `--help` answers at once.

Every field's docstring is its help text on the command line.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from torchbasics.arguments import left_out
from torchbasics.errors import InputError

Model = Literal["logistic", "shallow", "deep", "cnn", "rnn", "hybrid", "transformer"]
Engine = Literal["manual", "torch", "both"]
Activation = Literal["sigmoid", "tanh", "relu", "leaky-relu", "elu", "gelu", "silu", "softplus"]
Cell = Literal["rnn", "gru", "lstm"]
Init = Literal["zeros", "small", "sqrt", "he", "xavier"]
Optimizer = Literal["gd", "momentum", "rmsprop", "adagrad", "adam", "adamw"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["float32", "float64"]


@dataclass(frozen=True)
class Defaults:
    """What a field left out becomes for one model: the notes' own choices on the course's pictures.

    The models for pictures and sequences, which the notes only name, take Adam's mini-batches and float32.
    """

    data: str
    hidden: tuple[int, ...]
    activation: Activation
    init: Init
    learning_rate: float
    iterations: int
    optimizer: Optimizer = "gd"
    batch_size: int | None = None
    dtype: Dtype = "float64"
    keep_prob: float = 1.0


MODEL_DEFAULTS: dict[Model, Defaults] = {
    "logistic": Defaults("digits", (), "relu", "zeros", 0.005, 2000),
    "shallow": Defaults("digits", (7,), "relu", "small", 0.0075, 2500),
    "deep": Defaults("digits", (20, 7, 5), "relu", "sqrt", 0.0075, 2500),
    "cnn": Defaults("digits", (16, 32, 64), "relu", "he", 0.001, 1000, "adam", 64, "float32", 0.5),
    "rnn": Defaults("digits", (64,), "tanh", "sqrt", 0.003, 600, "adam", 64, "float32"),
    "hybrid": Defaults("digit-sums", (8, 16, 32), "relu", "he", 0.002, 1500, "adam", 64, "float32"),
    "transformer": Defaults("digits", (32, 64), "gelu", "sqrt", 0.002, 600, "adam", 64, "float32"),
}

# (logistic, shallow, deep) with gradient descent. The course's rates suit 12,288 pixels; fewer inputs take, and need,
# larger steps. These are the largest tried at which the cost falls smoothly (deep on spirals doesn't get there without
# some jumps).
LEARNING_RATES: dict[str, tuple[float, float, float]] = {
    "digits": (0.3, 0.2, 0.03),
    "ten-digits": (0.3, 0.2, 0.03),
    "digit-sums": (0.3, 0.2, 0.03),
    "breast-cancer": (0.1, 0.1, 0.03),
    "flower": (0.1, 1.2, 0.03),
    "circles": (0.1, 1.0, 0.05),
    "moons": (0.3, 1.0, 0.03),
    "blobs": (0.03, 0.05, 0.01),
    "spirals": (0.1, 1.0, 0.1),
}

# These scale every step to about the rate itself, whatever the gradient: torch.optim's own defaults suit any data.
OPTIMIZER_RATES: dict[str, float] = {"rmsprop": 0.001, "adagrad": 0.01, "adam": 0.001, "adamw": 0.001}
# Of "gd" and "momentum" on the models that have another optimizer by default.
PLAIN_RATE = 0.05


@dataclass(frozen=True)
class TrainConfig:
    """Train a network with the hand-derived engine, its torch.nn twin, or both in step on the same batches."""

    model: tyro.conf.Positional[Model] = "deep"
    """For vectors logistic, shallow or deep; for pictures cnn; for sequences rnn or transformer; for both hybrid."""

    data: Annotated[str | None, left_out("NAME|FILE|DIR", "digits; hybrid: digit-sums")] = None
    """digits, ten-digits, digit-sums, breast-cancer, flower, circles, moons, blobs, spirals, match or zen; a path."""

    test_data: Annotated[Path | None, left_out("FILE", "test_X.h5 beside train_X.h5")] = None
    """The HDF5 file with the test set."""

    layers: Annotated[
        tuple[str, ...] | None, left_out("n_x,...,1", "n_x,20,7,5,1; shallow: n_x,7,1; cnn: n_x,16,32,64,1")
    ] = None
    """Sizes from the inputs to the output, such as 64,20,7,5,1; between them, cnn's are channels and then units."""

    activation: Annotated[
        Activation | None,
        left_out("{" + ",".join(get_args(Activation)) + "}", "relu; shallow, built-in data: tanh; transformer: gelu"),
    ] = None
    """Activation of the hidden layers."""

    cell: Annotated[Cell | None, left_out("{rnn,gru,lstm}", "rnn: lstm")] = None
    """The recurrent layer of rnn."""

    engine: Engine = "both"
    """Gradients by hand, by autograd through the torch.nn twin, or both, from equal parameters on equal batches."""

    iterations: Annotated[
        int | None, left_out("N", "2500; logistic: 2000; cnn: 1000; hybrid: 1500; rnn, transformer: 600")
    ] = None
    """Parameter updates."""

    learning_rate: Annotated[
        float | None, left_out("ALPHA", "0.0075; logistic: 0.005; built-in data, cnn, ...: its own")
    ] = None
    """alpha in W := W - alpha dW."""

    optimizer: Annotated[
        Optimizer | None, left_out("{" + ",".join(get_args(Optimizer)) + "}", "gd; cnn, rnn, hybrid, transformer: adam")
    ] = None
    """Gradient descent, by hand on the manual engine and torch.optim.SGD on the twin, or torch.optim's on both."""

    l2: Annotated[float, tyro.conf.arg(metavar="LAMBDA")] = 0.0
    """lambda in J + lambda / (2m) times the sum of all weights squared."""

    l1: Annotated[float, tyro.conf.arg(metavar="LAMBDA")] = 0.0
    """lambda in J + lambda / m times the sum of all weights' absolute values."""

    keep_prob: Annotated[float | None, left_out("P", "1; cnn: 0.5")] = None
    """Dropout: the share of the fully connected hidden layers' units that each update keeps."""

    batch_size: Annotated[int | None, left_out("N", "all; cnn, rnn, hybrid, transformer: 64")] = None
    """Examples per update; every pass visits each example once, in a new order."""

    init: Annotated[
        Init | None,
        left_out("{zeros,small,sqrt,he,xavier}", "sqrt; shallow: small; logistic: zeros; cnn, hybrid: he"),
    ] = None
    """Initial weights: 0, randn * 0.01, randn / sqrt(n_prev), He's or Xavier's."""

    seed: int = 1
    """Seed of the initial weights, of a random train/test split and of the batches' order."""

    device: Device = "auto"
    """auto takes a GPU if there is one."""

    dtype: Annotated[Dtype | None, left_out("{float32,float64}", "float64; cnn, rnn, hybrid, transformer: float32")] = (
        None
    )
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
            raise InputError(f"--batch-size {self.batch_size}: expected 1 or more, such as 64")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed {self.seed}: expected 0 to 4294967295, the seeds that NumPy's generator takes")
        for name, strength in (("l2", self.l2), ("l1", self.l1)):
            if not 0 <= strength < float("inf"):
                raise InputError(f"--{name} {strength}: expected lambda, 0 or a positive number, such as 0.7")
        if self.keep_prob is not None and not 0 < self.keep_prob <= 1:
            raise InputError(f"--keep-prob {self.keep_prob}: expected more than 0 and at most 1, such as 0.8")
        if self.keep_prob is not None and self.model in ("logistic", "rnn", "transformer"):
            raise InputError(f"--keep-prob: {self.model} has no fully connected hidden layer; leave it out")
        if self.model == "logistic" and self.activation is not None:
            raise InputError("--activation: logistic regression has no hidden layer; leave it out")
        if self.cell is not None and self.model != "rnn":
            raise InputError(f"--cell {self.cell}: {self.model} has no recurrent layer; train rnn, or leave it out")
        if self.model == "rnn" and self.activation is not None:
            raise InputError("--activation: the cells of an rnn have their own; choose one by --cell")

    def filled(self) -> "TrainConfig":
        """The same run with what depends on the model alone filled in where it was left out."""
        defaults = MODEL_DEFAULTS[self.model]
        return replace(
            self,
            data=self.data or defaults.data,
            optimizer=self.optimizer or defaults.optimizer,
            batch_size=self.batch_size or defaults.batch_size,
            dtype=self.dtype or defaults.dtype,
            keep_prob=self.keep_prob or defaults.keep_prob,
            cell=self.cell or ("lstm" if self.model == "rnn" else None),
        )

    def layer_sizes(self, n_x: int, n_y: int) -> list[int]:
        """[n_x, n[1], ..., n_y] for data with n_x inputs and n_y outputs. Raises `InputError` for other sizes."""
        if self.layers is None:
            return [n_x, *MODEL_DEFAULTS[self.model].hidden, n_y]
        # A space may stand between two sizes, in place of a comma or after it.
        text = ",".join(word.removesuffix(",") for word in self.layers)
        example = ",".join(map(str, [n_x, *MODEL_DEFAULTS[self.model].hidden, n_y]))
        parts = text.split(",")
        if not all(part.isascii() and part.removeprefix("-").isdecimal() for part in parts):
            raise InputError(f"--layers {text}: expected whole numbers, such as {example}")
        sizes = [int(part) for part in parts]
        count = {"logistic": 2, "shallow": 3, "transformer": 4}.get(self.model)
        if count is not None and len(sizes) != count:
            other = "" if self.model == "transformer" else "; deep takes any number"
            raise InputError(f"--layers {text}: {self.model} takes {count} sizes, such as {example}{other}")
        if len(sizes) < 2 or min(sizes) < 1 or max(sizes) >= 2**63:
            raise InputError(f"--layers {text}: expected two or more positive sizes, such as {example}")
        if sizes[0] != n_x:
            raise InputError(
                f"--layers {text}: the first size must be n_x = {n_x}, the inputs of this data, as in {example}"
            )
        if sizes[-1] != n_y:
            of = "the probability of label 1" if n_y == 1 else "a probability for each class"
            raise InputError(f"--layers {text}: the last size must be {n_y}, {of}, as in {example}")
        return sizes

    @property
    def sizes(self) -> list[int]:
        """[n_x, n[1], ..., 1] of a resolved configuration."""
        assert self.layers is not None
        return [int(size) for size in self.layers]

    def resolve(self, n_x: int, n_y: int = 1) -> "TrainConfig":
        """The same run with every field that was left out filled in, for data with n_x inputs and n_y outputs."""
        filled = self.filled()
        assert filled.optimizer is not None
        defaults = MODEL_DEFAULTS[self.model]
        built_in = filled.data in LEARNING_RATES
        # The notes' week 3 has tanh on the plane's points, and week 4 ReLU on pictures.
        activation = "tanh" if self.model == "shallow" and built_in else defaults.activation
        rate = defaults.learning_rate
        if defaults.optimizer != filled.optimizer:
            rate = OPTIMIZER_RATES.get(filled.optimizer, PLAIN_RATE)
        if defaults.optimizer == "gd" and filled.optimizer not in OPTIMIZER_RATES:
            rates = LEARNING_RATES.get(filled.data or "")
            rate = rates[list(MODEL_DEFAULTS).index(self.model)] if rates else defaults.learning_rate
        return replace(
            filled,
            layers=tuple(str(size) for size in self.layer_sizes(n_x, n_y)),
            activation=self.activation or activation,
            iterations=self.iterations or defaults.iterations,
            learning_rate=self.learning_rate or rate,
            init=self.init or defaults.init,
        )
