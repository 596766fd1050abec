"""What a sweep is to train: its folder, a run for each combination, and that it is the sweep that was begun there.

A sweep's folder is runs/NAME:

| file | what |
|---|---|
| sweep.json | the settings, and what tells the data from any other; written first |
| learning_rate=0.03,activation=tanh | a run as `torchbasics train` leaves it, named by what varies |
| .../result.json | in each run, what came out; written last |
| sweep.csv | every run with its hyperparameters and its result; written at the end |
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from torchbasics.data.base import Data
from torchbasics.errors import InputError
from torchbasics.training.build import build, inputs_of
from torchbasics.training.config import TrainConfig
from torchbasics.training.folder import LONGEST_NAME, check_name, default_name, make_folder
from torchbasics.training.given import data_of, digest, settled, with_absolute_paths
from torchbasics.training.sweep_config import SweepConfig

NAME = "sweep.json"


@dataclass(frozen=True)
class Plan:
    """A sweep that can be trained. `runs` are the folders' names and what `torchbasics train` is told for each."""

    folder: Path
    config: SweepConfig
    data_name: str
    runs: dict[str, TrainConfig]


def plan(config: SweepConfig) -> Plan:
    """Check everything and every combination, and only then make the sweep's folder, or find it there.

    Raises `InputError` for whatever can't be used, and for a folder with anything but this sweep; nothing is written
    then.
    """
    config.check()
    folder = config.resume
    if folder is not None:
        config = _settings_of(folder)
    first = next(config.combinations()).filled()
    assert first.data is not None
    if folder is None:
        name = config.name or f"sweep-{default_name(config.model, first.data)}"
        check_name("--name", name)
        folder = config.runs_dir / name
    absolute = with_absolute_paths(first)
    config = replace(config, data=absolute.data, test_data=absolute.test_data)
    data = data_of(first)
    runs = _runs(config, folder, data)
    begun = {"settings": config.settings(), "digest": digest(data)}
    if os.path.lexists(folder) and not _is_bare(folder):
        _require_same(folder, begun)
    else:
        if not folder.exists():
            make_folder(folder)
        try:
            write_json(folder / NAME, begun)
        except OSError as error:
            raise InputError(f"can't write to {folder}: {error.strerror}; choose another --runs-dir") from error
    return Plan(folder, config, data.name, runs)


def _runs(config: SweepConfig, folder: Path, data: Data) -> dict[str, TrainConfig]:
    """Every combination under its name, each tried on the data, and the networks built without their numbers."""
    runs: dict[str, TrainConfig] = {}
    same: dict[str, str] = {}
    built = set()
    for combination in config.combinations():
        resolved = settled(combination, data)
        assert resolved.layers is not None
        shape = (resolved.layers, resolved.cell)
        if shape not in built:
            with torch.device("meta"):
                build(resolved, inputs_of(data))
            built.add(shape)
        name = ",".join(f"{option}={short(getattr(resolved, option))}" for option in config.varied)
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise InputError(f"a run's folder would be called {name[:40]}...: too long; let fewer options vary")
        twin = same.setdefault(json.dumps(resolved.to_dict()), name)
        if name in runs or twin != name:
            raise InputError(f"{name} is there twice; give each value once")
        runs[name] = replace(combination, run=name, runs_dir=folder)
    return runs


def short(value: Any) -> str:
    """A hyperparameter in as few letters as tell it from any other."""
    if isinstance(value, float):
        few = f"{value:g}"
        return few if float(few) == value else repr(value)
    return "-".join(value) if isinstance(value, tuple) else str(value)


def _settings_of(folder: Path) -> SweepConfig:
    """The settings of the sweep in a folder."""
    content = _read(folder)
    try:
        config = SweepConfig.from_settings(content["settings"])
        config.check()
    except (KeyError, TypeError, ValueError):
        raise _damaged(folder) from None
    return config


def _require_same(folder: Path, begun: dict[str, Any]) -> None:
    """Raise `InputError` unless the sweep that was begun in the folder is this one."""
    expected, settings = begun["settings"], _settings_of(folder).settings()
    differing = [name for name in expected if settings[name] != expected[name]]
    if differing:
        name = differing[0]
        was, is_ = (_words(value) for value in (settings[name], expected[name]))
        raise InputError(
            f"{folder} has a sweep with other settings (--{name.replace('_', '-')} was {was}, and is {is_} here); go "
            f"on with it by 'torchbasics sweep --resume {folder}', or choose another --name"
        )
    if _read(folder).get("digest") != begun["digest"]:
        raise InputError(
            f"{expected['data']} is not the data that the sweep in {folder} was begun with: it has changed; "
            "choose another --name"
        )


def _words(value: Any) -> str:
    return "left out" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_bare(folder: Path) -> bool:
    """Whether it is as a sweep that was killed before it had written its settings left it."""
    try:
        return {path.name for path in folder.iterdir()} <= {f"{NAME}.tmp"}
    except OSError:
        return False


def _read(folder: Path) -> Any:
    try:
        return json.loads((folder / NAME).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no sweep is in {folder}: it has no {NAME}; give a sweep's, or another --name") from None
    except OSError as error:
        raise InputError(f"{folder / NAME} can't be read: {error.strerror}; choose another --name") from None
    except ValueError:
        raise _damaged(folder) from None


def _damaged(folder: Path) -> InputError:
    return InputError(f"{folder / NAME} is not as sweep wrote it; restore it, or choose another --name")


def write_json(path: Path, content: Any) -> None:
    """All of it or none, also where a kill comes in between."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep the sweep's folder from a second sweep at the same time. Raises `InputError` if one is under way there."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (folder / NAME).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another sweep is under way in {folder}: wait for its end, or stop it") from None
        yield
