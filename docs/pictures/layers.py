"""Draw the layers of the README: `python docs/pictures/layers.py` writes `layers.svg`; `--check` compares it."""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).with_name("layers.svg")
WIDTH = 1002
HEIGHT = 345
BOX_WIDTH = 174
BOX_HEIGHT = 92
TOP = 70
LEFT = 14
STEP = 200

BOXES = (
    ("day's flow logs", ("Zeek, Suricata, Argus,", "NetFlow, AWS VPC, ECS,", "CSV, Parquet"), "logs"),
    ("raw/network_events", ("as received,", "one schema"), "raw"),
    ("silver/network_events", ("clean, with", "derived columns"), "silver"),
    ("gold/isolation_forest", ("the model",), "gold"),
    ("gold/evaluation", ("a score for", "every flow"), "gold"),
)
"""The title, the lines of text and the layer of each box, from left to right."""
ROWS = (
    ("objects in S3", ("cybersec-ml-raw", "cybersec-ml-silver", "cybersec-ml-models", "cybersec-ml-eval")),
    ("audit in PostgreSQL", ("ingestion_events", "transformation_events", "training_events", "evaluation_events")),
)
"""What is stored for each phase, under its box."""
FILLS = {"logs": "#f3f4f6", "raw": "#fde8d7", "silver": "#e5e7eb", "gold": "#fdf3c7"}


def picture() -> str:
    """Return the SVG."""
    attributes = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    arrow = '<path d="M0,0 L8,4 L0,8 z" fill="#374151"/></marker></defs>'
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {attributes} font-size="13" fill="#111827">',
        "<title>From a day's flow logs to a model, scores and an audit</title>",
        f'<defs><marker id="arrow" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">{arrow}',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 36, "One day, one run: each phase reads what earlier phases stored", bold=True, anchor="start"),
    ]
    for index, (title, lines, layer) in enumerate(BOXES):
        body += _box(LEFT + index * STEP, title, lines, FILLS[layer])
        if index:
            body.append(_arrow(LEFT + index * STEP))
    for row, (label, names) in enumerate(ROWS):
        y = TOP + BOX_HEIGHT + 76 + row * 46
        body.append(_text(LEFT, y, label, bold=True, anchor="start"))
        body += [_text(_middle(index + 1), y, name) for index, name in enumerate(names)]
    body += [_down(_middle(index)) for index in range(1, len(BOXES))]
    note = "Objects are immutable. Rows contain size and SHA-256 of their objects. Signed heads protect the journal."
    body.append(_text(LEFT, HEIGHT - 18, note, anchor="start"))
    return "\n".join([*body, "</svg>", ""])


def _middle(index: int) -> int:
    return LEFT + index * STEP + BOX_WIDTH // 2


def _box(x: int, title: str, lines: tuple[str, ...], fill: str) -> list[str]:
    shape = f'<rect x="{x}" y="{TOP}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="{fill}" stroke="#374151"/>'
    middle = x + BOX_WIDTH // 2
    texts = [_text(middle, TOP + 46 + 17 * number, line) for number, line in enumerate(lines)]
    return [shape, _text(middle, TOP + 24, title, bold=True), *texts]


def _text(x: int, y: int, text: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _arrow(x: int) -> str:
    y = TOP + BOX_HEIGHT // 2
    return f'<path d="M{x - STEP + BOX_WIDTH},{y} H{x - 2}" stroke="#374151" marker-end="url(#arrow)"/>'


def _down(x: int) -> str:
    y = TOP + BOX_HEIGHT
    return f'<path d="M{x},{y} V{y + 50}" stroke="#374151" stroke-dasharray="4 3" marker-end="url(#arrow)"/>'


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PICTURE.read_text() == picture() else f"{PICTURE} is out of date: run {Path(__file__).name}")
    PICTURE.write_text(picture())
