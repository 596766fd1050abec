"""The look that a report has of its own, beside that of every page, `torchbasics.page`."""

CSS = """
.torchbasics-page h3 { font-size: 1rem; margin: 0 0 .4rem; display: flex; gap: 1rem; flex-wrap: wrap; }
.torchbasics-page h3 .line { color: var(--faint); font-weight: 400; margin-left: auto; }
.torchbasics-page details { border-top: 1px solid var(--edge); padding: .9rem 0; }
.torchbasics-page details > div { scroll-margin-top: 3.5rem; }
.torchbasics-page .quantities td {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .88rem;
  white-space: nowrap;
}
.torchbasics-page .quantities :is(th, td):nth-child(n+3) { text-align: right; }
.torchbasics-page .quantities tr.wrong td:first-child { color: var(--wrong); font-weight: 600; }
.torchbasics-page .files td { overflow-wrap: anywhere; }
.torchbasics-page .files td:nth-child(2) { white-space: nowrap; }
.torchbasics-page .card {
  background: var(--panel); border: 1px solid var(--edge); border-left: 3px solid var(--wrong); border-radius: 6px;
  padding: .9rem 1.1rem; margin: 0 0 1rem;
}
.torchbasics-page dl { display: flex; flex-wrap: wrap; gap: .3rem 2rem; margin: 0 0 .5rem; }
.torchbasics-page dt { color: var(--faint); font-size: .8rem; font-weight: 400; }
.torchbasics-page dd { margin: 0; }
.torchbasics-page dd, .torchbasics-page .cause {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9rem;
}
.torchbasics-page .cause { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.torchbasics-page svg { display: block; max-width: 100%; height: auto; }
.torchbasics-page svg image { image-rendering: pixelated; }
.torchbasics-page svg text { fill: var(--faint); font-size: 11px; }
.torchbasics-page .ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.torchbasics-page .key { margin-right: 1.1em; white-space: nowrap; }
.torchbasics-page .key::before {
  content: ""; display: inline-block; width: .75em; height: .75em; margin-right: .4em; border-radius: 2px;
  vertical-align: -.05em;
}
.torchbasics-page .key.large::before { background: rgb(216 59 48); }
.torchbasics-page .key.small::before { background: rgb(46 114 210); }
.torchbasics-page .key.infinite::before { background: #000; outline: 1px solid var(--faint); }
.torchbasics-page .key.worst::before { outline: 1.5px solid var(--ink); }
.torchbasics-page ul { color: var(--faint); padding-left: 1.2em; margin: .5rem 0 0; overflow-wrap: anywhere; }
"""
