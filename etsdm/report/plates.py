"""The figures as the page holds them."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from etsdm.report.broken import why_broken
from etsdm.report.contents import figures, note_of
from etsdm.report.results import Results
from etsdm.report.section import Figure
from etsdm.runtime.intact import read_manifest

HEAVY = 400_000
"""Bytes above which a drawing goes into the page as PNG instead of SVG."""


@dataclass(frozen=True)
class Plate:
    """A figure with its caption.

    Attributes:
        name: name of its files.
        title: heading.
        source: data URI of the image; empty if the file is missing.
        alt: what it shows, for those who can't see it.
        caption: sentences: settings, how the numbers were made, cost.
        failed: why it could not be drawn; empty if it was.
    """

    name: str
    title: str
    source: str
    alt: str
    caption: list[str] = field(default_factory=list)
    failed: str = ""


def _data_uri(folder: Path, figure: Figure) -> str:
    svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
    drawn = not figure.picture and svg.exists() and svg.stat().st_size <= HEAVY
    file, kind = (svg, "svg+xml") if drawn else (png, "png")
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}" if file.exists() else ""


def plates(results: Results, report: Path) -> dict[str, Plate]:
    """The figures of the report, by name.

    Args:
        results: the measurements.
        report: folder of the report.
    """
    return {name: _plate(results, report, figure) for name, (_, figure) in figures(results.inventory).items()}


def _plate(results: Results, report: Path, figure: Figure) -> Plate:
    alt = f"{figure.alt}; the numbers are in the tables."
    source = _data_uri(report / "figures", figure)
    return Plate(figure.name, figure.title, source, alt, caption_of(results, figure), _failed(report, figure))


def caption_of(results: Results, figure: Figure) -> list[str]:
    """The caption; why there is none where it could not be written."""
    try:
        return figure.caption(results)
    except Exception as error:  # whatever it is, the page is made
        return [f"The caption could not be written: {why_broken(error)}."]


def _failed(report: Path, figure: Figure) -> str:
    note = read_manifest(note_of(report, figure.name))
    return str(note["result"].get("failed", "")) if note else ""
