"""One training run from its configuration to its last file: create or resume, train, report."""

import contextlib
import itertools
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from torchbasics.data.base import Data
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.network import Network
from torchbasics.training import checkpoint, engines, log, pictures, report
from torchbasics.training.batches import Batches
from torchbasics.training.build import build, inputs_of
from torchbasics.training.config import TrainConfig
from torchbasics.training.device import device_and_dtype
from torchbasics.training.folder import free_folder, make_folder
from torchbasics.training.given import data_of, digest, settled
from torchbasics.training.loop import descend, stop_on_ctrl_c
from torchbasics.training.record import AutogradChecks, Diverged, Recorder

# Between two checkpoints of a long run; a short one writes its only one at the end.
CHECKPOINT_SECONDS = 30.0
# Multiplications in W A_prev, the largest of them: below this a second thread gains nothing.
SMALL = 1 << 23


@dataclass(frozen=True)
class Ended:
    """How a run ended: after `done` updates, by Ctrl-C or not, with which cost and accuracies by engine."""

    done: int
    interrupted: bool
    results: dict[str, dict[str, float]]


@dataclass
class Run:
    """A run that is ready to train: `start` updates are behind it, `config.iterations` is where it ends."""

    folder: Path
    config: TrainConfig
    data: Data
    network: Network
    engines: list[engines.Engine]
    batches: Batches
    start: int
    seconds: dict[str, float]
    checks: AutogradChecks
    digest: str

    @property
    def iterations(self) -> range:
        """The iterations still to do."""
        assert self.config.iterations is not None
        return range(self.start, self.config.iterations)

    @property
    def input_range(self) -> list[float]:
        """The smallest and the largest input of the training set."""
        X = self.data.train.X
        return [X.min().item(), X.max().item()]

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture from a file, colour or grey and brought to [0, 1], is an input like those trained on."""
        image, (lowest, highest) = self.data.image, self.input_range
        alone = image is not None and not self.data.structured
        return alone and image is not None and image.channels in (1, 3) and lowest >= 0 and highest <= 1


def create(config: TrainConfig) -> Run:
    """Check everything, read the data, build the engines, and only then make the run's folder.

    Raises `InputError` for whatever of the configuration or the data can't be used; nothing is written then.
    """
    config.check()
    filled = config.filled()
    device, dtype = device_and_dtype(filled)
    folder = free_folder(filled)
    data = data_of(filled)
    config = replace(settled(config, data), run=folder.name)
    assert config.init is not None
    try:
        network = initialise(build(config, inputs_of(data)).to(device, dtype), config.init, config.seed)
    except (RuntimeError, MemoryError, OverflowError) as error:
        sizes = ",".join(map(str, config.sizes))
        raise InputError(f"--layers {sizes}: no memory for so many weights; give smaller sizes") from error
    run = _assemble(folder, config, data, network)
    make_folder(folder)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    return run


def resume(folder: Path, iterations: int | None) -> Run:
    """The run as its checkpoint left it, to go on to `iterations` updates (its own number if None).

    Raises `InputError` if there is no checkpoint, its data has changed, or nothing is left to do.
    """
    saved = checkpoint.load(folder)
    config = TrainConfig.from_dict(saved["config"])
    config = replace(config, iterations=config.iterations if iterations is None else iterations)
    start = saved["iteration"]
    assert config.iterations is not None
    if config.iterations <= start:
        raise InputError(f"{folder} has its {start} iterations; give --iterations with more than {start} to go on")
    device, dtype = device_and_dtype(config)
    data = data_of(config)
    if digest(data) != saved["digest"]:
        raise InputError(f"{config.data} is not the data that {folder} was trained on: it has changed; train a new run")
    run = _assemble(folder, config, data, build(config, inputs_of(data)).to(device, dtype))
    for engine in run.engines:
        engine.restore(saved["engines"][engine.name])
    run.batches.restore(saved["batches"])
    run.start, run.seconds, run.checks = start, saved["seconds"], AutogradChecks(**saved["checks"])
    with _threads(run):
        threads = torch.get_num_threads()
    if saved["threads"] != threads:
        warnings.warn(
            f"the run was trained with {saved['threads']} threads and goes on with {threads}: sums round differently, "
            "so it will not be bit for bit what one session gives",
            stacklevel=2,
        )
    return run


def train(run: Run, console: Console) -> int:
    """Train, record, report; return the exit code: 0, or 130 after Ctrl-C.

    Raises `InputError` when a cost stops being a number, or the disk is full; the log and the last good checkpoint are
    kept.
    """
    try:
        return 130 if carry_out(run, console).interrupted else 0
    except Diverged as error:
        rate = run.config.learning_rate
        assert rate is not None
        or_init = "" if run.config.model == "logistic" or run.config.init == "he" else ", or --init he"
        raise InputError(
            f"{error} at learning rate {rate:g}: try --learning-rate {rate / 10:g}{or_init}; the log up to there is in "
            f"{run.folder}"
        ) from None
    except BrokenPipeError:
        raise  # of the reader of our output, not of the disk
    except OSError as error:
        raise InputError(
            f"can't write to {run.folder}: {error.strerror}; make room, and go on with 'torchbasics resume "
            f"{run.folder}' if it has a checkpoint"
        ) from error


def carry_out(run: Run, console: Console) -> Ended:
    """Train, record, report. Raises `Diverged` when a cost stops being a number, `OSError` when the disk is full."""
    console.print(report.title(run), highlight=False, markup=False, soft_wrap=True)
    with _threads(run), report.progress(run.iterations, console) as show:
        recorder = Recorder(
            run.folder,
            run.engines,
            run.network,
            run.data,
            run.iterations,
            run.batches.size,
            show,
            run.checks,
        )
        try:
            done, interrupted = _descend(run, recorder)
            results = recorder.finish(done, report.hyperparameters(run))
        except Diverged as error:
            recorder.fail(error.iteration, report.hyperparameters(run))
            raise
        finally:
            recorder.close()
    names, steps = log.read(run.folder)
    pictures.save_figure(pictures.cost_curves(names, steps, report.title(run)), run.folder / "costs.png")
    report.show(console, run, steps, done, results)
    return Ended(done, interrupted, results)


@contextlib.contextmanager
def _threads(run: Run) -> Iterator[None]:
    """One thread for a small network: more don't make it faster, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    # Those of a convolution or a recurrence are repeated at every pixel or step.
    inputs = inputs_of(run.data)
    repeated = 1
    if run.config.model in ("cnn", "hybrid", "rnn", "transformer"):
        repeated = inputs.steps or (inputs.image[0] * inputs.image[1] if inputs.image else inputs.n_x)
    products = [n * n_prev * repeated * run.batches.size for n_prev, n in itertools.pairwise(run.config.sizes)]
    if max(products) < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _descend(run: Run, recorder: Recorder) -> tuple[int, bool]:
    """All iterations, with a checkpoint every now and then; how many were done, and whether Ctrl-C ended them."""
    done = run.start
    with stop_on_ctrl_c() as stop:
        while done < run.iterations.stop and not stop.requested:
            due = time.monotonic() + CHECKPOINT_SECONDS

            def until(due: float = due) -> bool:
                return stop.requested or time.monotonic() > due

            rest = range(done, run.iterations.stop)
            done = descend(run.engines, run.batches, rest, recorder.step, until, run.seconds)
            # A diverged run raises here, and keeps the checkpoint from before.
            recorder.drain()
            recorder.require_finite(done)
            recorder.flush()
            _save(run, recorder, done)
        return done, stop.requested


def _save(run: Run, recorder: Recorder, done: int) -> None:
    image = run.data.image
    content = {
        "format": checkpoint.FORMAT,
        "config": run.config.to_dict(),
        "iteration": done,
        "digest": run.digest,
        "classes": list(run.data.classes),
        "image": None if image is None else [image.height, image.width, image.channels],
        "inputs": asdict(inputs_of(run.data)),
        "range": run.input_range,
        "engines": {engine.name: engine.state() for engine in run.engines},
        "batches": run.batches.state(),
        "seconds": run.seconds,
        "checks": asdict(run.checks),
        # Sums are split by thread: another number of threads rounds differently.
        "threads": torch.get_num_threads(),
    }
    checkpoint.save(run.folder, content)


def _assemble(folder: Path, config: TrainConfig, data: Data, network: Network) -> Run:
    assert config.learning_rate is not None
    assert config.optimizer is not None
    names = ["manual", "torch"] if config.engine == "both" else [config.engine]
    # The twin copies the network's parameters, so that both start equal.
    parts = [engines.ENGINES[name](network, config.optimizer, config.learning_rate) for name in names]
    batches = Batches(data.train, config.batch_size, config.seed)
    seconds = dict.fromkeys(names, 0.0)
    return Run(folder, config, data, network, parts, batches, 0, seconds, AutogradChecks(), digest(data))
