"""The figures as the page holds them."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from etsdm.report.contents import figures
from etsdm.report.results import Results
from etsdm.report.section import Figure

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
    """

    name: str
    title: str
    source: str
    alt: str
    caption: list[str] = field(default_factory=list)


def _data_uri(folder: Path, figure: Figure) -> str:
    svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
    drawn = not figure.picture and svg.exists() and svg.stat().st_size <= HEAVY
    file, kind = (svg, "svg+xml") if drawn else (png, "png")
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}" if file.exists() else ""


def plates(results: Results, folder: Path) -> dict[str, Plate]:
    """The figures of the report, by name.

    Args:
        results: the measurements.
        folder: folder of the figures.
    """
    return {name: _plate(results, folder, figure) for name, (_, figure) in figures(results.inventory).items()}


def _plate(results: Results, folder: Path, figure: Figure) -> Plate:
    alt = f"{figure.alt}; the numbers are in the tables."
    return Plate(figure.name, figure.title, _data_uri(folder, figure), alt, figure.caption(results))
