"""A report says the same in the terminal, as a page, in TensorBoard and on its way between processes."""

import dataclasses
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from reports import BREAKOUT, hostile, not_finite, one_over_m_missing, report, right
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torchbasics.check import transfer
from torchbasics.check.output import board, terminal
from torchbasics.check.output.page import fragment, page
from torchbasics.check.output.picture import NOT_FINITE, RIGHT, TOO_LARGE, TOO_SMALL, Layout, cells
from torchbasics.check.report import Cause, Report
from torchbasics.errors import InputError

# Terminal


def test_text_is_one_line_per_quantity_and_then_what_is_wrong() -> None:
    found = report(right(), one_over_m_missing(), convention="the notes' dZ = m dJ/dZ", unmatched=["dtmp"])
    assert str(found).splitlines() == [
        "net.py",
        "quantity  verdict  rounding  relative  shape   line",
        "dZ2       right         0.9   1.2e-16  (1, 7)    39",
        "dW2       wrong     1.3e+15         6  (5, 7)    41",
        "",
        "dW2 disagrees with autograd, worst at (3, 1)   [line 41]",
        "  yours 0.4210   autograd 0.06020   central difference 0.06020   shape (5, 7)",
        "  yours / autograd = 7.00 = m everywhere: the 1/m of  dW2 = 1/m dZ2 A1^T  is missing",
        "",
        "belongs to no quantity of the forward: dtmp",
        "convention: the notes' dZ = m dJ/dZ",
        "wrong: 1 of 2 quantities, first dW2",
    ]


def test_values_have_the_digits_that_tell_them_apart() -> None:
    near = one_over_m_missing(yours=1.000000001, reference=1.0, difference_quotient=None)
    assert terminal.values(near) == [("yours", "1.000000001"), ("autograd", "1.000000000")]
    last_bit = one_over_m_missing(yours=np.nextafter(0.1, 1), reference=0.1, difference_quotient=None)
    (_, yours), (_, reference) = terminal.values(last_bit)
    assert yours != reference


def test_causes_that_coincide_are_possibilities_and_a_formula_is_said_once() -> None:
    causes = [Cause("a", "a mask is missing", "dA1 = ... * D1", certain=False), Cause("b", "dA1 = x is wrong", "dA1=x")]
    assert terminal.why(one_over_m_missing(causes=causes)) == [
        "perhaps: a mask is missing; it should be  dA1 = ... * D1",
        "dA1 = x is wrong",
    ]
    assert terminal.why(one_over_m_missing(causes=[])) == ["no mistake in the catalogue explains it"]
    assert terminal.why(one_over_m_missing(causes=[], note="a constant ratio of 1.7")) == ["a constant ratio of 1.7"]


@pytest.mark.parametrize("width", [1, 20, 33, 80, 200])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_every_word_is_shown_at_any_width_without_colour_where_there_is_none(width: int, encoding: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width)
    found = report(right(), one_over_m_missing(), not_finite(), notes=["[red]dZ[0][/red]"], file="a[bold].py")
    terminal.show(found, console)
    terminal.show_table([found, Report("b.py", "unchecked", "no [backward]")], console)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    shown = out.buffer.getvalue().decode(encoding)
    assert "\x1b" not in shown
    unbroken = "".join(shown.split())
    assert "".join(str(found).split()) in unbroken
    assert "no[backward]" in unbroken
    assert unbroken.endswith("1wrong,1unchecked")


def test_a_terminal_shows_the_verdicts_in_colour() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="standard")
    terminal.show(report(right(), one_over_m_missing()), console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "\x1b[32mright  \x1b[0m" in shown
    assert "\x1b[1;31mwrong  \x1b[0m" in shown


def test_what_a_file_says_moves_no_cursor() -> None:
    assert terminal.text(Report("a\x1b[2J.py", "unchecked", "two\nlines\x07")).splitlines() == [
        "a?[2J.py",
        "could not be checked: two lines?",
    ]


# Pictures


@settings(deadline=None, max_examples=60)
@given(array_shapes(min_dims=0, max_dims=5, max_side=5), st.data())
def test_an_entry_alone_is_seen_alone_and_in_its_place(shape: tuple[int, ...], data: st.DataObject) -> None:
    index = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    seen = picture_of(shape, {index: -1e-12})
    place = Layout(shape).cell(index)
    assert tuple(seen[place][:3]) == TOO_SMALL
    assert seen[place][3] > RIGHT[3]
    seen[place] = RIGHT
    # All else is an entry that is right, one cell each, or a gap.
    is_entry = (seen == RIGHT).all(-1)
    assert is_entry.sum() == np.prod(shape, dtype=int)
    assert (seen[~is_entry] == 0).all()


@pytest.mark.parametrize("shape", [(20, 12288), (12288, 20), (100_000,), (64, 32, 5, 5), (241, 241)])
def test_no_wrong_entry_vanishes_from_a_large_array(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    for _ in range(5):
        one, other = (tuple(int(random.integers(n)) for n in shape) for _ in range(2))
        seen = picture_of(shape, {one: 1e-9, other: 1.0})
        assert max(seen.shape[:2]) <= 240
        for index in (one, other):
            assert tuple(seen[Layout(shape).cell(index)][:3]) == TOO_LARGE
        assert (seen[..., 3] > RIGHT[3]).sum() == len({Layout(shape).cell(one), Layout(shape).cell(other)})


def test_a_block_shows_its_worst_entry_and_what_is_not_finite_above_all() -> None:
    shape = (1, 480)  # two entries a cell
    seen = picture_of(shape, {(0, 0): 1.0, (0, 1): -3.0, (0, 4): 2.0, (0, 5): np.nan})
    assert tuple(seen[0, 0]) == (*TOO_SMALL, 255)
    assert tuple(seen[0, 2]) == (*NOT_FINITE, 255)


def test_a_matrix_stands_as_it_is_printed_and_tiles_side_by_side() -> None:
    assert Layout((5, 7)).cell((3, 1)) == (3, 1)
    assert Layout((7,)).cell((4,)) == (0, 4)
    # (2, 3, 4, 8): 2 rows of 3 tiles of 4 by 8, with a gap of one.
    assert Layout((2, 3, 4, 8)).cell((1, 2, 3, 7)) == (1 * 5 + 3, 2 * 9 + 7)
    assert Layout((2, 3, 4, 8)).words() == (
        "tiles: axis 1 across, axis 0 down; in a tile: axis 2 down (4), axis 3 across (8)"
    )


def picture_of(shape: tuple[int, ...], errors: dict[tuple[int, ...], float]) -> np.ndarray:
    differs, error = np.zeros(shape, bool), np.zeros(shape)
    for index, value in errors.items():
        differs[index], error[index] = True, value
    seen = cells(one_over_m_missing(shape=shape, differs=differs, error=error))
    assert seen is not None
    return seen


# The page


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_no_word_of_a_file_becomes_markup() -> None:
    plain = page([report(right("dZ", note="a"), one_over_m_missing(note="b"), reason="c"), report(right())])
    for html in (page([hostile(), report(right())]), fragment(hostile())):
        elements = Elements(html)
        assert {tag for tag, _ in elements.tags} <= {tag for tag, _ in Elements(plain).tags} | {"h2", "li", "ul"}
        assert not [attributes for _, attributes in elements.tags if "onload" in attributes]
        assert "script" not in dict(elements.tags)
        # File, right name and note, wrong name, kind, cause, formula and note, reason, convention, unmatched, note.
        assert elements.words.count(BREAKOUT) >= 11


def test_a_page_needs_nothing_else() -> None:
    html = page([report(right(), one_over_m_missing()), Report("b.py", "unchecked", "why")])
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    images = 0
    for tag, attributes in Elements(html).tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            if name in attributes:
                assert re.match(r"#file\d+$|data:image/png;base64,", attributes[name] or "")
                images += tag == "image"
    assert images == 1
    policy = [values["content"] for _, values in Elements(html).tags if values.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_a_page_says_what_the_terminal_says() -> None:
    found = report(right(), one_over_m_missing(), convention="the notes'", notes=["a note"], unmatched=["dtmp"])
    said = "".join(Elements(page([found])).words.split())
    for line in str(found).splitlines()[5:]:
        for part in line.replace("[line 41]", "line 41").split("   "):
            # The three values stand in columns, and the shape is the table's.
            for words in part.split(" ") if part.strip().startswith(("yours 0", "autograd 0", "central")) else [part]:
                assert "".join(words.split()).removeprefix("shape") in said, words
    assert "13 of 35 entries are wrong" in Elements(page([found])).words


def test_a_notebook_shows_the_fragment() -> None:
    found = report(one_over_m_missing())
    assert found._repr_html_() == fragment(found)
    assert "<html" not in fragment(found)


# TensorBoard


def test_tensorboard_has_the_table_the_sweep_and_the_pictures(tmp_path: Path) -> None:
    first, second = report(right(), one_over_m_missing()), Report("sub/b|c.py", "unchecked", "no *backward*")
    board.write([first], tmp_path / "one")
    events = EventAccumulator(str(tmp_path / "one")).Reload()
    units = [(event.step, event.value) for event in events.Scalars("rounding_units")]
    assert units == [(0, pytest.approx(0.9)), (1, pytest.approx(1.3e15))]
    (image,) = events.Images("wrong_entries/dW2")
    assert (image.height % 5, image.width % 7) == (0, 0)
    table = events.Tensors("report/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| 1 | dW2 | wrong | 1.3e\\+15 | 6 | \\(5, 7\\) | 41 |" in table
    assert "the 1/m of  dW2 = 1/m dZ2 A1^T  is missing" in table

    board.write([first, second], tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["0-net.py", "1-b|c.py"]
    words = EventAccumulator(str(tmp_path / "two" / "1-b|c.py")).Reload().Tensors("report/text_summary")
    assert "no \\*backward\\*" in words[0].tensor_proto.string_val[0].decode()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events").touch()
    for folder, said in ((tmp_path, "is not empty"), (tmp_path / "events", "is a file")):
        with pytest.raises(InputError, match=said):
            board.write([report(right())], folder)
    assert list(tmp_path.iterdir()) == [tmp_path / "events"]


# Between processes, and to JSON


def test_a_report_comes_back_as_it_went(tmp_path: Path) -> None:
    kink = right(note="a kink", line=None, worst_index=None, yours=None, reference=None)
    sent = report(kink, one_over_m_missing(), not_finite(), notes=["a"], unmatched=["b"], convention="c", reason="d")
    transfer.save(sent, tmp_path / "a.npz")
    back = transfer.load(tmp_path / "a.npz")
    assert repr(back) == repr(sent)
    for ours, theirs in zip(back.quantities, sent.quantities, strict=True):
        for field in dataclasses.fields(ours):
            a, b = getattr(ours, field.name), getattr(theirs, field.name)
            assert type(a) is type(b)
            if isinstance(a, np.ndarray):
                np.testing.assert_array_equal(a, b)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_what_is_no_report_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    (tmp_path / "called").write_text("")
    for content in (b"", b"PK\x05\x06", b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a report"):
            transfer.load(path)
    for values in ({}, [], {"file": "a", "quantities": [{}]}, {"file": "a", "quantities": [], "other": 1}):
        np.savez(path, json=np.frombuffer(json.dumps(values).encode(), np.uint8))
        with pytest.raises(ValueError, match="is not a report"):
            transfer.load(path)


class Pickled:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", json=np.array([Pickled()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        transfer.load(Path("a.npz"))
    assert not Path("unpickled").exists()


def test_json_is_json_also_of_what_is_not_finite() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    (values,) = json.loads(json.dumps(report(not_finite()).to_json()), parse_constant=refuse)["quantities"]
    assert (values["rounding_units"], values["relative_error"], values["reference"]) == ("inf", "nan", "-inf")
