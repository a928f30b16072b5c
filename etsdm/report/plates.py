"""The figures as the page holds them."""

import base64
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from etsdm.report.broken import why_broken
from etsdm.report.colours import VARIABLES
from etsdm.report.contents import figures, note_of
from etsdm.report.results import Results
from etsdm.report.section import Figure
from etsdm.report.sheets import Picker
from etsdm.runtime.intact import read_manifest

HEAVY = 400_000
"""Bytes above which a drawing goes into the page as PNG instead of SVG."""


@dataclass(frozen=True)
class Plate:
    """A figure with its caption.

    Attributes:
        name: name of its files.
        title: heading.
        source: data URI of the PNG; empty if the file is missing, or a drawing stands for it.
        drawing: the SVG to stand in the page itself, in its colours; empty if a PNG stands for it.
        alt: what it shows, for those who can't see it.
        caption: sentences: settings, how the numbers were made, cost.
        failed: why it could not be drawn; empty if it was.
        picker: images to choose from; where there are any, the page shows them instead.
    """

    name: str
    title: str
    source: str
    drawing: str
    alt: str
    caption: list[str] = field(default_factory=list)
    failed: str = ""
    picker: Picker | None = None


def inlined(svg: str, name: str, alt: str) -> str:
    """A drawing of matplotlib's as an element of the page: see-through, in the page's colours, its names its own.

    Args:
        svg: text of the file.
        name: of the figure, unique in the page.
        alt: what it shows.
    """
    box = svg.partition('viewBox="')[2].partition('"')[0]
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = body[body.index(">") + 1 :]
    body = re.sub(r'(id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", body)
    body = body.replace("fill: #ffffff", "fill: none", 1)  # the sheet
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(alt)}">{body}'


def _image(folder: Path, figure: Figure, alt: str) -> tuple[str, str]:
    """(data URI of the PNG, drawing): one of them, or neither."""
    svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
    if not figure.picture and svg.exists() and svg.stat().st_size <= HEAVY:
        return "", inlined(svg.read_text(encoding="utf-8"), figure.name, alt)
    return (f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}" if png.exists() else ""), ""


def plates(results: Results, report: Path) -> dict[str, Plate]:
    """The figures of the report, by name.

    Args:
        results: the measurements.
        report: folder of the report.
    """
    return {name: _plate(results, report, figure) for name, (_, figure) in figures(results.inventory).items()}


def _plate(results: Results, report: Path, figure: Figure) -> Plate:
    alt = f"{figure.alt}; the numbers are in the tables."
    picker = figure.picker(results) if figure.picker else None
    image = ("", "") if picker and picker.sheets else _image(report / "figures", figure, alt)
    caption, failed = caption_of(results, figure), _failed(report, figure)
    return Plate(figure.name, figure.title, *image, alt, caption, failed, picker)


def caption_of(results: Results, figure: Figure) -> list[str]:
    """The caption; why there is none where it could not be written."""
    try:
        return figure.caption(results)
    except Exception as error:  # whatever it is, the page is made
        return [f"The caption could not be written: {why_broken(error)}."]


def _failed(report: Path, figure: Figure) -> str:
    note = read_manifest(note_of(report, figure.name))
    return str(note["result"].get("failed", "")) if note else ""
