"""A stand-in for the check itself, for tests of the processes around it: it runs the file and finds it right.

In a child's PYTHONPATH as `sitecustomize`, it takes the place of `torchbasics.check.file` before anything is imported.
"""

import os
from pathlib import Path

import pytest

import torchbasics

SOURCE = """
import sys
from types import ModuleType

def check_file(path, options):
    import numpy as np
    from torchbasics.check.report import Cause, Quantity, Report

    exec(compile(path.read_text(), str(path), "exec"), {"options": options})
    if "wrong" not in path.name:
        return Report(str(path), "right", repr(options), quantities=[])
    differs = np.array([[True, False]])
    cause = Cause("sign_flipped", "the sign is flipped", "dW = [x]")
    wrong = Quantity("dW", "wrong", 3, (1, 2), 9e9, 2.0, (0, 0), -1.0, 1.0, "autograd", 1.0, [cause], "", differs)
    return Report(str(path), "wrong", quantities=[wrong])

module = ModuleType("torchbasics.check.file")
module.check_file = check_file
sys.modules[module.__name__] = module
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's children find it, and this package."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SOURCE)
    places = [str(folder), str(Path(torchbasics.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
