"""Our pages of HTML in a real browser: light and dark, narrow and wide, whole, legible, and without the network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import Sheet, chromium
from matplotlib.figure import Figure
from reports import hostile, not_finite, one_over_m_missing, report, right
from rich.console import Console

import torchbasics
from torchbasics.check.output.page import page as check_page
from torchbasics.check.report import Report
from torchbasics.lessons import catalogue, lesson
from torchbasics.lessons.page import page as lessons_page
from torchbasics.lessons.results import newest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAM = Path(__file__).parent / "programs" / "two_layer_tanh.py"
WRITTEN, BROKEN = "(1 - np.power(A1, 2))", "(1 + np.power(A1, 2))"
PAGES = ("one", "two", "many", "lessons")
SCHEMES = ("light", "dark")
WIDTHS = (400, 1200)

# The smallest contrast of a word with what is behind it, (lighter + 0.05) / (darker + 0.05) of relative luminances as
# WCAG 2.1 defines them; with the word.
CONTRAST = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = numbers(colour).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const ground = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)';
    return numbers(ground)[3] === 0 ? behind(element.parentElement) : ground;
  };
  let worst = [Infinity, ''];
  for (const element of document.body.querySelectorAll('*')) {
    const words = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join('');
    if (!words) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [low, high] = [luminance(ink), luminance(behind(element))].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < worst[0]) worst = [contrast, words];
  }
  return worst;
}"""
# The pictures in img and in SVG's image, decoded: width and height of each.
DECODED = """() => Promise.all([...document.querySelectorAll('img, svg image')].map(async element => {
  const picture = new Image();
  picture.src = element.getAttribute('src') || element.getAttribute('href');
  await picture.decode();
  return [picture.naturalWidth, picture.naturalHeight];
}))"""


@dataclass
class Shelf:
    """A browser, and our pages by name."""

    browser: "Browser"
    pages: dict[str, Path]


def experiment(_config: lesson.LessonConfig, told: lesson.Lesson) -> lesson.Verdict:
    figure = Figure(figsize=(12, 3))
    figure.subplots().plot([0, 1])
    told.show(figure)
    numbers = {f"cost_of_something_{k}": 0.25 for k in range(15)}
    return lesson.Verdict(False, "<script>alert(1)</script> the cost is " + "long" * 40, numbers)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with chromium() as browser:
        folder = tmp_path_factory.mktemp("pages")
        wrong = folder / "wrong.py"
        text = PROGRAM.read_text()
        assert text.count(WRITTEN) == 1
        wrong.write_text(text.replace(WRITTEN, BROKEN))
        real = [torchbasics.check(path) for path in (PROGRAM, wrong)]
        assert [found.verdict for found in real] == ["right", "wrong"]
        planted = [
            hostile(),
            report(right(), not_finite(), file="submissions/" + "a_long_name_" * 9 + ".py"),
            report(one_over_m_missing()),
            Report("odd.ipynb", "unchecked", "no function is called backward"),
        ]
        lesson.run(lesson.LessonConfig(runs_dir=folder), experiment, Path("lesson_99_nothing.py"), Console(quiet=True))
        result = newest(folder, "nothing")
        # The first was run, the second failed, the rest was not run.
        first, second, *rest = catalogue.lessons()
        results = {first: result, **dict.fromkeys([second, *rest])}
        pages = {
            "one": check_page(real[1:]),
            "two": check_page(real),
            # Beyond ten they are closed at first.
            "many": check_page([*real, *planted, *real, *planted]),
            "lessons": lessons_page(results, {second: 2}),
        }
        for name, content in pages.items():
            (folder / f"{name}.html").write_text(content, encoding="utf-8")
        yield Shelf(browser, {name: folder / f"{name}.html" for name in pages})


@pytest.fixture
def opened(shelf: Shelf, request: pytest.FixtureRequest) -> Iterator[Sheet]:
    """A page, wide and light unless parametrised otherwise; it has nothing to complain of, and fetches nothing."""
    name, scheme, width = request.param
    address = shelf.pages[name].as_uri()
    context = shelf.browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    sheet = Sheet(context, address)
    sheet.page.goto(address)
    yield sheet
    context.close()
    assert sheet.complaints == []


EVERY = pytest.mark.parametrize(
    "opened",
    [(name, scheme, width) for name in PAGES for scheme in SCHEMES for width in WIDTHS],
    indirect=True,
    ids=str,
)
WIDE = pytest.mark.parametrize("opened", [(name, "light", 1200) for name in PAGES], indirect=True, ids=str)


@EVERY
def test_a_page_is_legible_and_as_wide_as_the_window(opened: Sheet, request: pytest.FixtureRequest) -> None:
    page = opened.page
    _, scheme, width = request.node.callspec.params["opened"]
    # With all that can be opened.
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    contrast, words = page.evaluate(CONTRAST)
    assert contrast > 4.5, words


@WIDE
def test_pictures_decode(opened: Sheet) -> None:
    pictures = opened.page.evaluate(DECODED)
    assert pictures
    assert all(min(size) > 0 for size in pictures)


@WIDE
def test_what_is_folded_opens_and_closes(opened: Sheet) -> None:
    for details in opened.page.locator("details").all():
        before = details.get_attribute("open")
        summary = details.locator("summary").first
        summary.click()
        assert (details.get_attribute("open") is None) != (before is None)
        summary.click()
        assert details.get_attribute("open") == before


@WIDE
def test_links_lead_to_what_can_be_seen(opened: Sheet, request: pytest.FixtureRequest) -> None:
    page = opened.page
    links = page.locator("a").all()
    assert bool(links) == (request.node.callspec.params["opened"][0] != "one")
    targets = [link.get_attribute("href") or "" for link in links]
    assert len(set(targets)) == len(targets)
    for link, target in zip(links, targets, strict=True):
        link.click()
        found = page.locator(f"[id='{target.removeprefix('#')}']")
        assert found.count() == 1
        # One that was folded is opened by it.
        box = found.bounding_box()
        assert box is not None
        assert box["height"] > 20
        assert found.evaluate("element => element.getBoundingClientRect().top < innerHeight")
