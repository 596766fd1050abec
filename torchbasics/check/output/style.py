"""The look of `torchbasics.check.output.page`."""

CSS = """
.torchbasics-check {
  --ground: #fff; --panel: #f6f7f9; --ink: #1d2530; --faint: #667181; --edge: #dde2e8;
  --right: #14743a; --wrong: #c22a20; --unchecked: #8a5a00; --blue: #2e72d2;
  background: var(--ground); color: var(--ink); color-scheme: light dark; margin: 0;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
@media (prefers-color-scheme: dark) {
  .torchbasics-check {
    --ground: #14181e; --panel: #1c222a; --ink: #e4e8ee; --faint: #97a3b3; --edge: #303945;
    --right: #58c482; --wrong: #ff7b70; --unchecked: #e5b45a; --blue: #7fb0f5;
  }
}
.torchbasics-check main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.torchbasics-check h1 { font-size: 1.3rem; margin: 0 0 .75rem; }
.torchbasics-check h2, .torchbasics-check summary { font-size: 1.05rem; font-weight: 600; overflow-wrap: anywhere; }
.torchbasics-check h2 { margin: 0; }
.torchbasics-check h3 { font-size: 1rem; margin: 0 0 .4rem; display: flex; gap: 1rem; flex-wrap: wrap; }
.torchbasics-check h3 .line { color: var(--faint); font-weight: 400; margin-left: auto; }
.torchbasics-check a { color: inherit; }
.torchbasics-check details { border-top: 1px solid var(--edge); padding: .9rem 0; }
.torchbasics-check summary { cursor: pointer; }
.torchbasics-check details > div { scroll-margin-top: 3.5rem; }
.torchbasics-check .tally { color: var(--faint); margin: 0 0 .5rem; }
.torchbasics-check .overall { font-weight: 600; margin: .6rem 0; overflow-wrap: anywhere; }
.torchbasics-check .overall.right { color: var(--right); }
.torchbasics-check .overall.wrong { color: var(--wrong); }
.torchbasics-check .overall.unchecked { color: var(--unchecked); }
.torchbasics-check .badge {
  display: inline-block; min-width: 3.3em; padding: 0 .55em; border: 1px solid currentColor; border-radius: 1em;
  font-size: .8rem; font-weight: 600; text-align: center;
}
.torchbasics-check .badge.right { color: var(--right); }
.torchbasics-check .badge.wrong { color: var(--wrong); }
.torchbasics-check .badge.unchecked { color: var(--unchecked); }
.torchbasics-check .wide { overflow-x: auto; }
.torchbasics-check table { border-collapse: collapse; margin: .5rem 0 1rem; background: none; color: inherit; }
.torchbasics-check tr { background: none; }
.torchbasics-check th, .torchbasics-check td {
  padding: .25rem 1.1rem .25rem 0; border: 0; border-bottom: 1px solid var(--edge); text-align: left;
  vertical-align: top; background: none;
}
.torchbasics-check th { color: var(--faint); font-weight: 400; font-size: .85rem; white-space: nowrap; }
.torchbasics-check .quantities td {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .88rem;
  white-space: nowrap;
}
.torchbasics-check .quantities :is(th, td):nth-child(n+3) { text-align: right; }
.torchbasics-check .quantities tr.wrong td:first-child { color: var(--wrong); font-weight: 600; }
.torchbasics-check .files td { overflow-wrap: anywhere; }
.torchbasics-check .files td:nth-child(2) { white-space: nowrap; }
.torchbasics-check .card {
  background: var(--panel); border: 1px solid var(--edge); border-left: 3px solid var(--wrong); border-radius: 6px;
  padding: .9rem 1.1rem; margin: 0 0 1rem;
}
.torchbasics-check dl { display: flex; flex-wrap: wrap; gap: .3rem 2rem; margin: 0 0 .5rem; }
.torchbasics-check dt { color: var(--faint); font-size: .8rem; font-weight: 400; }
.torchbasics-check dd { margin: 0; }
.torchbasics-check dd, .torchbasics-check .cause {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9rem;
}
.torchbasics-check .cause { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.torchbasics-check figure { margin: .9rem 0 0; }
.torchbasics-check svg { display: block; max-width: 100%; height: auto; }
.torchbasics-check svg image { image-rendering: pixelated; }
.torchbasics-check svg text { fill: var(--faint); font-size: 11px; }
.torchbasics-check .ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.torchbasics-check figcaption { color: var(--faint); font-size: .82rem; margin-top: .4rem; }
.torchbasics-check .key { margin-right: 1.1em; white-space: nowrap; }
.torchbasics-check .key::before {
  content: ""; display: inline-block; width: .75em; height: .75em; margin-right: .4em; border-radius: 2px;
  vertical-align: -.05em;
}
.torchbasics-check .key.large::before { background: rgb(216 59 48); }
.torchbasics-check .key.small::before { background: rgb(46 114 210); }
.torchbasics-check .key.infinite::before { background: #000; outline: 1px solid var(--faint); }
.torchbasics-check .key.worst::before { outline: 1.5px solid var(--ink); }
.torchbasics-check ul { color: var(--faint); padding-left: 1.2em; margin: .5rem 0 0; overflow-wrap: anywhere; }
"""
