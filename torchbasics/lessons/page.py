"""What the lessons have found, as one page of HTML that needs nothing else: verdicts, numbers, pictures."""

import base64
import os
import shlex
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from torchbasics.lessons.catalogue import Entry
from torchbasics.lessons.results import PICTURE, Result
from torchbasics.page import badge, document

_LESSONS = ("torchbasics", "lessons")
PROGRAM = " ".join(_LESSONS)

# What `torchbasics lessons` has too; with any other option the lesson's own script is to be called.
_COMMON = {"--seed", "--runs-dir"}

_CSS = """
.torchbasics-page .contents { width: 100%; }
.torchbasics-page .contents td:nth-child(2) { width: 100%; overflow-wrap: anywhere; }
.torchbasics-page .contents td:last-child { padding-right: 0; text-align: right; }
.torchbasics-page .contents :is(a, b) { font-weight: 600; }
.torchbasics-page .contents span.claim { display: block; color: var(--faint); }
.torchbasics-page section { border-top: 1px solid var(--edge); padding: 1.4rem 0 1rem; }
.torchbasics-page h2 .badge { margin-left: .6em; vertical-align: .08em; }
.torchbasics-page .badge.none, .torchbasics-page .faint { color: var(--faint); }
.torchbasics-page p { margin: .5rem 0; overflow-wrap: anywhere; }
.torchbasics-page section .overall {
  border-left: 3px solid currentColor; padding-left: .8rem; margin: .7rem 0; font-weight: 400;
}
.torchbasics-page img {
  display: block; box-sizing: border-box; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--edge); border-radius: 6px;
}
.torchbasics-page details { margin: .9rem 0; }
.torchbasics-page details summary { font-size: .9rem; font-weight: 400; }
.torchbasics-page .tables { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 3rem; font-size: .88rem; }
.torchbasics-page .tables td { overflow-wrap: anywhere; }
.torchbasics-page .numbers td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.torchbasics-page pre {
  background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: .6rem .8rem;
  margin: .5rem 0; overflow-x: auto;
  font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
"""


def page(results: Mapping[Entry, Result | None], failed: Mapping[Entry, int]) -> str:
    """Every lesson with what it came to, if it was run; `failed` are those whose last run ended with this exit code."""
    rows, sections, left = [], [], []
    for entry, result in results.items():
        name = f'<a href="#{entry.name}">{entry.name}</a>'
        if entry in failed:
            state = badge("failed", "unchecked")
            sections.append(_section(entry, state, entry.claim, _failure(entry, failed[entry])))
        elif result is not None:
            state = badge(result.verdict, _kind(result))
            sections.append(_section(entry, state, result.claim, _found(entry, result)))
        else:
            name, state = f"<b>{entry.name}</b>", badge("not run", "none")
            left.append(entry.name)
        claim = f'<span class="claim">{escape(entry.claim)}</span>'
        rows.append(f"<tr><td>{entry.number}</td><td>{name}{claim}</td><td>{state}</td></tr>")
    tally = _tally(results, failed)
    rest = f'<p class="faint">The others are run with</p>{_pre(shlex.join([*_LESSONS, *left]))}' if left else ""
    body = f'<p class="tally">{tally}</p><table class="contents">{"".join(rows)}</table>{rest}{"".join(sections)}'
    return document(PROGRAM, f"{PROGRAM}: {tally}", _CSS, f"<h1>{PROGRAM}</h1>{body}")


def _tally(results: Mapping[Entry, Result | None], failed: Mapping[Entry, int]) -> str:
    """How many claims held: "3 of 12 hold, 1 does not hold, 1 failed, 7 not run"."""
    known = [result for entry, result in results.items() if result is not None and entry not in failed]
    held = sum(result.holds for result in known)
    counts = {
        "does not hold": len(known) - held,
        "failed": len(failed),
        "not run": len(results) - len(known) - len(failed),
    }
    rest = "".join(f", {count} {words}" for words, count in counts.items() if count)
    return f"{held} of {len(results)} hold{rest}"


def _kind(result: Result) -> str:
    return "right" if result.holds else "wrong"


def _section(entry: Entry, state: str, claim: str, body: str) -> str:
    return (
        f'<section id="{entry.name}"><h2>{entry.number} {entry.name}{state}</h2><p>{escape(claim)}</p>{body}</section>'
    )


def _failure(entry: Entry, code: int) -> str:
    said = f'<p class="overall unchecked">It ended with exit code {code}, without a verdict.</p>'
    return said + _pre(shlex.join([*_LESSONS, entry.name]))


def _found(entry: Entry, result: Result) -> str:
    numbers, options = (
        _table("numbers", {name: _number(value) for name, value in result.numbers.items()}),
        # In what folder the run is says the command below.
        _table("options", {name: _said(value) for name, value in result.options.items() if name != "runs_dir"}),
    )
    opened = " open" if len(result.numbers) <= 12 else ""
    commands = f"{_command(entry, result)}\ntensorboard --logdir {shlex.quote(str(result.folder))}"
    return (
        f'<p class="overall {_kind(result)}">{escape(result.words)}</p>{_figure(entry, result)}'
        f"<details{opened}><summary>its numbers, and the options it ran with</summary>"
        f'<div class="tables">{numbers}{options}</div></details>'
        f'{_pre(commands)}<p class="faint">It took {result.seconds:.1f} seconds.</p>'
    )


def _figure(entry: Entry, result: Result) -> str:
    try:
        content = (result.folder / PICTURE).read_bytes()
    except OSError:
        return '<p class="faint">Its picture is not there.</p>'
    source = base64.b64encode(content).decode()
    alt = escape(f"The picture of lesson {entry.number}, {entry.name}: {result.words}")
    return f'<figure><img src="data:image/png;base64,{source}" alt="{alt}"></figure>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(kind: str, values: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in values.items())
    return f'<table class="{kind}"><tr><th>{kind}</th><th></th></tr>{rows}</table>'


def _command(entry: Entry, result: Result) -> str:
    """What gives the same run again."""
    options = {word for word in result.arguments if word.startswith("--")}
    if options <= _COMMON:
        return shlex.join([*_LESSONS, entry.name, *result.arguments])
    script = os.path.relpath(entry.script) if entry.script.is_relative_to(Path.cwd()) else str(entry.script)
    return shlex.join(["python", script, *result.arguments])


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"
