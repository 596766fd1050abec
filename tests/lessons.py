"""What the tests of the lessons share: a lesson's script as a module, and a small run of it."""

import importlib.util
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torchbasics.lessons.catalogue import chosen
from torchbasics.lessons.lesson import Verdict, run
from torchbasics.lessons.results import PICTURE, VERDICT


def script(name: str) -> ModuleType:
    """The lesson's script, imported under its file's name."""
    (entry,) = chosen((name,))
    module = sys.modules.get(entry.script.stem)
    if module is None:
        spec = importlib.util.spec_from_file_location(entry.script.stem, entry.script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[entry.script.stem] = module
        spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Told:
    """What a run of a lesson left."""

    folder: Path
    verdict: Verdict

    def curve(self, run: str, tag: str) -> dict[int, float]:
        """Step -> value of one of TensorBoard's curves."""
        events = EventAccumulator(str(self.folder / run), size_guidance={"scalars": 0}).Reload().Scalars(tag)
        return {event.step: event.value for event in events}


def small(name: str, folder: Path, **options: Any) -> Told:
    """A run of the lesson with these options, which has left its picture and its verdict."""
    module = script(name)
    config = module.Config(runs_dir=folder, **options)
    place, verdict = run(config, module.experiment, Path(module.__file__ or ""), Console(file=io.StringIO()))
    written = json.loads((place / VERDICT).read_text())
    assert written["holds"] == verdict.holds
    assert written["claim"]
    with Image.open(place / PICTURE) as picture:
        assert min(picture.size) > 200
    return Told(place, verdict)
