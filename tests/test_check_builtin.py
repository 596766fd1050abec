"""`check_builtin`: everything that this package derives by hand is right, and what is made wrong, or new, is found."""

from typing import Any

import pytest

import torchbasics.layers.linear as linear
import torchbasics.logistic as logistic
from torchbasics.check.networks import builtin
from torchbasics.check.networks.builtin import check_builtin, concrete
from torchbasics.layers import Tanh


@pytest.fixture
def of_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the layers and losses of three files, and networks of them: all that is built in takes a while."""
    files = ("layers.activation", "layers.linear", "losses.regression")

    def some(base: type, package: str) -> list[type]:
        return [kind for kind in concrete(base, package) if kind.__module__.endswith(files)]

    monkeypatch.setattr(builtin, "concrete", some)
    dense = {name: builtin.NETWORKS[name] for name in ("logistic", "shallow", "deep")}
    monkeypatch.setattr(builtin, "NETWORKS", dense)


def test_what_is_built_in_is_right(of_few_files: None) -> None:
    # Of all of it `torchbasics check` says so, which CI runs.
    reports = check_builtin()
    files = [report.file for report in reports]
    for expected in ("layers.Linear", "layers.LeakyReLU", "losses.SquaredError", "models.deep", "logistic.propagate"):
        assert expected in files
    assert all(reports), [report.file for report in reports if not report]


@pytest.mark.usefixtures("of_few_files")
@pytest.mark.parametrize(
    ("owner", "method", "files"),
    [
        ("torchbasics.layers.activation.Tanh", "backward", ["layers.Tanh", "models.shallow"]),
        ("torchbasics.losses.SquaredError", "backward", ["losses.SquaredError"]),
        ("torchbasics.layers.activation.LeakyReLU", "forward", ["layers.LeakyReLU"]),
    ],
)
def test_what_is_built_in_wrongly_is_found(
    owner: str, method: str, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = owner.rpartition(".")
    kind = getattr(__import__(module, fromlist=[name]), name)
    right = getattr(kind, method)
    monkeypatch.setattr(kind, method, lambda self, *given: 1.001 * right(self, *given))
    assert [report.file for report in check_builtin() if not report] == files


@pytest.mark.usefixtures("of_few_files")
def test_chapter_1_with_a_mistake_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = logistic.vectorised

    def wrongly(*given: Any) -> Any:
        step = right(*given)
        return step._replace(dw=step.dw * (1 + 1e-13))

    monkeypatch.setattr(logistic, "vectorised", wrongly)
    found = {report.file: [quantity.name for quantity in report.wrong] for report in check_builtin() if not report}
    assert found["logistic.vectorised"] == ["dw"]
    assert found["logistic.propagate"] == ["dw"]
    assert set(found) == {
        "logistic.vectorised",
        "logistic.propagate",
        "logistic.propagate with NumPy",
        "logistic.optimize",
    }


@pytest.mark.usefixtures("of_few_files")
def test_a_new_layer_cannot_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    class New(Tanh):
        pass

    monkeypatch.setattr(New, "__module__", "torchbasics.layers.linear")
    monkeypatch.setattr(linear, "New", New, raising=False)
    (report,) = [report for report in check_builtin() if report.file == "layers.New"]
    assert not report
    assert "add one" in report.reason
