"""One training run from its configuration to its last file: create or resume, train, report."""

import contextlib
import hashlib
import itertools
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from torchbasics.data import NAMES, load
from torchbasics.data.base import Data
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.network import Network
from torchbasics.notation import examples_first
from torchbasics.training import checkpoint, engines, log, pictures, report
from torchbasics.training.batches import Batches
from torchbasics.training.build import build, inputs_of
from torchbasics.training.config import TrainConfig
from torchbasics.training.loop import descend, stop_on_ctrl_c
from torchbasics.training.record import AutogradChecks, Diverged, Recorder

# Between two checkpoints of a long run; a short one writes its only one at the end.
CHECKPOINT_SECONDS = 30.0
# Multiplications in W A_prev, the largest of them: below this a second thread gains nothing.
SMALL = 1 << 23
# Of a file's name in bytes, on every usual file system.
LONGEST_NAME = 255


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
    asked, config = config, config.filled()
    data_name = config.data
    assert data_name is not None
    device, dtype = _device_and_dtype(config)
    folder = free_folder(config)
    data = load(data_name, config.test_data, dtype=dtype, seed=config.seed).to(device)
    if asked.batch_size is not None and asked.batch_size > data.train.m:
        raise InputError(f"--batch-size {asked.batch_size}: there are only {data.train.m} training examples")
    config = config.resolve(data.n_x, data.n_y)
    if data_name not in NAMES:
        # A resumed run may be started from another folder. Links stay links: their names lead to the test file.
        test_data = config.test_data and config.test_data.absolute()
        config = replace(config, data=str(Path(data_name).absolute()), test_data=test_data)
    config = replace(config, run=folder.name)
    assert config.init is not None
    try:
        network = initialise(build(config, inputs_of(data)).to(device, dtype), config.init, config.seed)
    except (RuntimeError, MemoryError, OverflowError) as error:
        sizes = ",".join(map(str, config.sizes))
        raise InputError(f"--layers {sizes}: no memory for so many weights; give smaller sizes") from error
    run = _assemble(folder, config, data, network)
    _make(folder)
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
    device, dtype = _device_and_dtype(config)
    assert config.data is not None
    data = load(config.data, config.test_data, dtype=dtype, seed=config.seed).to(device)
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
        return _train(run, console)
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


def _train(run: Run, console: Console) -> int:
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
        finally:
            recorder.close()
    names, steps = log.read(run.folder)
    pictures.save_figure(pictures.cost_curves(names, steps, report.title(run)), run.folder / "costs.png")
    report.show(console, run, steps, done, results)
    return 130 if interrupted else 0


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


def digest(data: Data) -> str:
    """What tells this data from any other: a hash of every number of both sets, and of the classes' names."""
    content = hashlib.blake2b(repr(data.classes).encode())
    for split in (data.train, data.test):
        for examples in (split.X, split.Y):
            content.update(repr(tuple(examples.shape)).encode())
            content.update(examples_first(examples).contiguous().flatten().cpu().numpy().data)
    return content.hexdigest()


def free_folder(config: TrainConfig) -> Path:
    """runs_dir/NAME; MODEL-DATA, numbered from 2 where that is taken, if the run was given no name.

    Raises `InputError` if the named run exists: no run is ever overwritten.
    """
    assert config.data is not None
    if config.run is None:
        source = Path(config.data)
        data = source.resolve().name if os.path.isdir(source) else source.stem.removeprefix("train_")
        name = f"{config.model}-{data}"
        for candidate in itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2))):
            if not os.path.lexists(config.runs_dir / candidate):
                return config.runs_dir / candidate
    assert config.run is not None
    if not config.run or config.run == ".." or Path(config.run).name != config.run:
        raise InputError(f"--run {config.run!r}: expected a name without folders; --runs-dir says where it goes")
    folder = config.runs_dir / config.run
    if len(os.fsencode(config.run)) > LONGEST_NAME:
        raise InputError(f"--run {config.run[:20]}...: a name of {len(config.run)} characters is too long for a folder")
    if os.path.lexists(folder):
        raise InputError(
            f"--run {config.run}: {folder} exists; go on with it by 'torchbasics resume {folder} --iterations N', "
            "or choose another name"
        )
    return folder


def _make(folder: Path) -> None:
    """Make the run's folder, and the folders above it; none of them if one can't be made."""
    above = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        for parent in above:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise InputError(f"can't make {folder}: {error.strerror}; choose another --runs-dir") from error


def _device_and_dtype(config: TrainConfig) -> tuple[torch.device, torch.dtype]:
    assert config.dtype is not None
    return pick_device(config.device, config.dtype), getattr(torch, config.dtype)


def pick_device(device: str, dtype: str) -> torch.device:
    """The device by its name. Raises `InputError` if it isn't there, or can't hold the dtype."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        fits = {"cuda": True, "mps": dtype == "float32", "cpu": True}
        return torch.device(next(name for name in fits if there[name] and fits[name]))
    if not there[device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise InputError(f"--device {device}: torch finds no such device here (it finds: {found}); leave --device out")
    if device == "mps" and dtype == "float64":
        raise InputError("--device mps has no float64: add --dtype float32")
    return torch.device(device)
