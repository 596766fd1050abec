"""What our pages of HTML have in common: no network, no scripts, and light or dark as the reader has it."""

from html import escape

CSS = """
.torchbasics-page {
  --ground: #fff; --panel: #f6f7f9; --ink: #1d2530; --faint: #667181; --edge: #dde2e8;
  --right: #14743a; --wrong: #c22a20; --unchecked: #8a5a00;
  background: var(--ground); color: var(--ink); color-scheme: light dark; margin: 0;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
@media (prefers-color-scheme: dark) {
  .torchbasics-page {
    --ground: #14181e; --panel: #1c222a; --ink: #e4e8ee; --faint: #97a3b3; --edge: #303945;
    --right: #58c482; --wrong: #ff7b70; --unchecked: #e5b45a;
  }
}
.torchbasics-page main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.torchbasics-page h1 { font-size: 1.3rem; margin: 0 0 .75rem; }
.torchbasics-page h2, .torchbasics-page summary { font-size: 1.05rem; font-weight: 600; overflow-wrap: anywhere; }
.torchbasics-page h2 { margin: 0; }
.torchbasics-page a { color: inherit; }
.torchbasics-page summary { cursor: pointer; }
.torchbasics-page .tally { color: var(--faint); margin: 0 0 .5rem; }
.torchbasics-page .overall { font-weight: 600; margin: .6rem 0; overflow-wrap: anywhere; }
.torchbasics-page .overall.right { color: var(--right); }
.torchbasics-page .overall.wrong { color: var(--wrong); }
.torchbasics-page .overall.unchecked { color: var(--unchecked); }
.torchbasics-page .badge {
  display: inline-block; min-width: 3.3em; padding: 0 .55em; border: 1px solid currentColor; border-radius: 1em;
  font-size: .8rem; font-weight: 600; text-align: center; white-space: nowrap;
}
.torchbasics-page .badge.right { color: var(--right); }
.torchbasics-page .badge.wrong { color: var(--wrong); }
.torchbasics-page .badge.unchecked { color: var(--unchecked); }
.torchbasics-page .wide { overflow-x: auto; }
.torchbasics-page table { border-collapse: collapse; margin: .5rem 0 1rem; background: none; color: inherit; }
.torchbasics-page tr { background: none; }
.torchbasics-page th, .torchbasics-page td {
  padding: .25rem 1.1rem .25rem 0; border: 0; border-bottom: 1px solid var(--edge); text-align: left;
  vertical-align: top; background: none;
}
.torchbasics-page th { color: var(--faint); font-weight: 400; font-size: .85rem; white-space: nowrap; }
.torchbasics-page figure { margin: .9rem 0 0; }
.torchbasics-page figcaption { color: var(--faint); font-size: .82rem; margin-top: .4rem; }
"""
"""Only for what is in an element of the class torchbasics-page: the rest of a notebook keeps its look."""


def document(program: str, title: str, css: str, body: str) -> str:
    """A whole page in this look; `css` is what it has of its own, `body` is markup."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{_generator(program)}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{escape(title)}</title>
<style>{CSS}{css}</style>
</head>
<body class="torchbasics-page">
<main>
{body}
</main>
</body>
</html>
"""


def is_from(program: str, text: str) -> bool:
    """Whether a page is one that this program wrote."""
    return _generator(program) in text[:1000]


def badge(words: str, kind: str | None = None) -> str:
    """A verdict in the colour of its kind: right, wrong or unchecked; its words are its kind if none is given."""
    return f'<span class="badge {escape(kind or words)}">{escape(words)}</span>'


def _generator(program: str) -> str:
    return f'<meta name="generator" content="{escape(program)}">'
