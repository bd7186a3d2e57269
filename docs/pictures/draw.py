#!/usr/bin/env python3
"""Draws the pictures of the documentation: ``python3 docs/pictures/draw.py`` writes the SVG files beside this one.

A picture is a list of boxes on a grid (column and row may be fractions) and of arrows between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

COLUMN, ROW = 190, 92
WIDTH, HEIGHT = 158, 54
MARGIN = 16

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933; text-anchor: middle }
  .small { font-size: 11px; fill: #52606d }
  rect { fill: #f5f7fa; stroke: #7b8794; rx: 7 }
  .strong { fill: #d9ecff; stroke: #2b6cb0 }
  .good { fill: #dff5e3; stroke: #2f855a }
  .bad { fill: #fde3e1; stroke: #c53030 }
  .plain { fill: none; stroke: none }
  path { fill: none; stroke: #52606d; stroke-width: 1.4; marker-end: url(#tip) }
  .paper { fill: #ffffff; stroke: none }
"""

TIP = """<defs>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L8 4 L0 8 z" style="fill:#52606d;stroke:none;marker-end:none"/>
</marker>
</defs>"""


@dataclass(frozen=True)
class Box:
    """A box with one or two lines of text; the second one is small."""

    column: float
    row: float
    title: str
    note: str = ""
    kind: str = ""

    @property
    def middle(self) -> tuple[float, float]:
        return MARGIN + self.column * COLUMN + WIDTH / 2, MARGIN + self.row * ROW + HEIGHT / 2

    def svg(self) -> str:
        x, y = self.middle
        place = f'x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}"'
        parts = [
            f'<rect class="{self.kind}" {place}/>',
            f'<text x="{x:g}" y="{y + (-2 if self.note else 5):g}">{escape(self.title)}</text>',
        ]
        if self.note:
            parts.append(f'<text class="small" x="{x:g}" y="{y + 15:g}">{escape(self.note)}</text>')
        return "\n".join(parts)


@dataclass
class Picture:
    """Boxes by name, and arrows ``(from, to, label)``."""

    title: str
    boxes: dict[str, Box]
    arrows: list[tuple[str, str, str]] = field(default_factory=list)

    def svg(self) -> str:
        width = MARGIN * 2 + max(b.column for b in self.boxes.values()) * COLUMN + WIDTH
        height = MARGIN * 2 + max(b.row for b in self.boxes.values()) * ROW + HEIGHT
        body = [arrow(self.boxes[start], self.boxes[end], label) for start, end, label in self.arrows]
        body += [box.svg() for box in self.boxes.values()]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{STYLE}</style>",
                TIP,
                f'<rect class="paper" width="{width:g}" height="{height:g}"/>',
                *body,
                "</svg>\n",
            ]
        )


def arrow(start: Box, end: Box, label: str) -> str:
    """A straight arrow from border to border, its label beside its middle."""
    (x1, y1), (x2, y2) = start.middle, end.middle
    dx, dy = x2 - x1, y2 - y1
    scale = min(WIDTH / 2 / abs(dx) if dx else 9e9, HEIGHT / 2 / abs(dy) if dy else 9e9)
    x1, y1, x2, y2 = x1 + dx * scale, y1 + dy * scale, x2 - dx * scale, y2 - dy * scale
    parts = [f'<path d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"/>']
    if label:
        side = 6 if abs(dx) < abs(dy) else 0
        anchor = ' style="text-anchor:start"' if side else ""
        parts.append(
            f'<text class="small" x="{(x1 + x2) / 2 + side:.1f}" y="{(y1 + y2) / 2 + (4 if side else -5):.1f}"{anchor}>'
            f"{escape(label)}</text>"
        )
    return "\n".join(parts)


PICTURES = {
    "submission": Picture(
        "From an AppDef to a job",
        {
            "component": Box(0, 0, "component", "function and arguments"),
            "app": Box(1, 0, "AppDef", "the caller's, never changed", "strong"),
            "copy": Box(1, 1, "copy", "environment, metadata"),
            "policy": Box(0, 1, "torchx_transform_app", "the site's policy"),
            "cfg": Box(2, 1, "options", "code, files, defaults"),
            "build": Box(1, 2, "workspace", "builds role.image"),
            "request": Box(1, 3, "native request", "a dry run ends here", "strong"),
            "preproc": Box(0, 3, "Role.pre_proc", "last changes"),
            "schedule": Box(2, 3, "schedule", "sends it, once"),
            "job": Box(3, 3, "job", "the app handle", "good"),
            "told": Box(3, 2, "torchx_app_submitted", "observers"),
        },
        [
            ("component", "app", ""),
            ("app", "copy", "deep copy"),
            ("policy", "copy", ""),
            ("cfg", "copy", ""),
            ("copy", "build", "validated"),
            ("build", "request", "submit_dryrun"),
            ("preproc", "request", ""),
            ("request", "schedule", ""),
            ("schedule", "job", ""),
            ("job", "told", ""),
        ],
    ),
    "states": Picture(
        "The states of a job",
        {
            "unsubmitted": Box(0, 1, "UNSUBMITTED"),
            "submitted": Box(1, 1, "SUBMITTED", "the scheduler has it"),
            "pending": Box(2, 1, "PENDING", "waits for resources"),
            "running": Box(3, 1, "RUNNING", "", "strong"),
            "succeeded": Box(4, 0, "SUCCEEDED", "terminal", "good"),
            "failed": Box(4, 1, "FAILED", "terminal", "bad"),
            "cancelled": Box(4, 2, "CANCELLED", "terminal", "bad"),
            "unknown": Box(2, 2, "UNKNOWN", "not to be told now"),
        },
        [
            ("unsubmitted", "submitted", ""),
            ("submitted", "pending", ""),
            ("pending", "running", ""),
            ("running", "succeeded", ""),
            ("running", "failed", ""),
            ("running", "cancelled", ""),
            ("unknown", "running", "asked again"),
        ],
    ),
    "plugins": Picture(
        "How plugins are found",
        {
            "builtin": Box(0, 0, "built in", "torchx.plugins._builtin"),
            "dist": Box(0, 1, "distributions", "group torchx.plugins"),
            "groups": Box(0, 2, "distributions", "torchx.schedulers, ..."),
            "register": Box(0, 3, "@register", "torchx_plugins.*"),
            "manager": Box(1.5, 1.5, "plugin manager", "descriptors, by name", "strong"),
            "list": Box(3, 0.5, "listing", "imports no plugin's code"),
            "use": Box(3, 1.5, "use by name", "imports that one", "good"),
            "broken": Box(3, 2.5, "broken, duplicate", "told when asked for", "bad"),
        },
        [
            ("builtin", "manager", ""),
            ("dist", "manager", "hooks"),
            ("groups", "manager", ""),
            ("register", "manager", ""),
            ("manager", "list", ""),
            ("manager", "use", ""),
            ("manager", "broken", ""),
        ],
    ),
    "workspace": Picture(
        "How local code reaches a job",
        {
            "folder": Box(0, 0, "your folder", "train.py, .torchxignore"),
            "walk": Box(1, 0, "walk", "without what is ignored"),
            "build": Box(2, 0, "builder", "the scheduler's mixin", "strong"),
            "dir": Box(3, 0, "dir", "copy on a shared disk"),
            "image": Box(3, 1, "docker, oci", "image, pushed (planned)"),
            "role": Box(2, 1, "role.image", "set to what was built", "good"),
            "request": Box(1, 1, "native request", "uses role.image"),
        },
        [
            ("folder", "walk", ""),
            ("walk", "build", ""),
            ("build", "dir", ""),
            ("build", "image", ""),
            ("build", "role", ""),
            ("role", "request", ""),
        ],
    ),
    "local": Picture(
        "A job of the local scheduler",
        {
            "run": Box(0, 0, "torchx run", "may go away"),
            "other": Box(0, 1, "any other shell", "status, log, cancel"),
            "guardian": Box(1.2, 0, "guardian", "sleeps; adopts orphans", "strong"),
            "supervisor": Box(2.4, 0, "supervisor", "starts, reaps, records", "strong"),
            "r0": Box(3.6, 0, "replica 0", "own process group", "good"),
            "r1": Box(3.6, 1, "replica 1", "own process group", "good"),
            "files": Box(2.4, 1, "files", "request, state, logs"),
        },
        [
            ("run", "guardian", "starts"),
            ("guardian", "supervisor", "starts"),
            ("supervisor", "r0", ""),
            ("supervisor", "r1", ""),
            ("supervisor", "files", ""),
            ("other", "files", "reads; asks to cancel"),
        ],
    ),
}


def draw(folder: Path) -> None:
    """Writes all pictures into a folder."""
    for name, picture in PICTURES.items():
        (folder / f"{name}.svg").write_text(picture.svg())


if __name__ == "__main__":
    draw(Path(__file__).resolve().parent)
