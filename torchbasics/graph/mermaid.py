"""A drawing as Mermaid text, which GitHub, GitLab and many editors draw."""

from torchbasics.graph.drawing import Drawing

SHAPES = {"leaf": '(["{}"])', "computed": '["{}"]', "last": '[["{}"]]'}


def mermaid(drawing: Drawing) -> str:
    """A flowchart from left to right: values in the nodes, derivatives on the links."""
    keys = {box.key: f"n{k}" for k, box in enumerate(drawing.boxes)}
    lines = [f"%% {' '.join(drawing.title.split())}", f"%% {drawing.note}", "flowchart LR"]
    for box in drawing.boxes:
        lines.append(f"  {keys[box.key]}" + SHAPES[box.kind].format("<br/>".join(map(_said, (box.title, *box.lines)))))
    for arrow in drawing.arrows:
        label = "" if arrow.label is None else f'|"{_said(arrow.label)}"|'
        lines.append(f"  {keys[arrow.start]} -->{label} {keys[arrow.end]}")
    return "\n".join(lines) + "\n"


def _said(text: str) -> str:
    """Text that Mermaid takes as it stands, by its own codes for what it would read as its own."""
    # The code's own letters first.
    for letter, code in (("#", "#35;"), ("&", "#38;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        text = text.replace(letter, code)
    return text
