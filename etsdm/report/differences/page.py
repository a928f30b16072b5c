"""What differs as one HTML file, in the style of the report's page."""

import base64
from html import escape
from pathlib import Path
from typing import Any

from etsdm.report.differences import lists
from etsdm.report.differences.difference import Difference, headline, remarks, state
from etsdm.report.differences.figure import drawings
from etsdm.report.metrics import directions
from etsdm.report.page import LONG, SCRIPTS, TEMPLATES, page_environment
from etsdm.report.plates import HEAVY, inlined
from etsdm.runtime.files import write_text
from etsdm.runtime.places import without_places


def write_page(found: Difference, out: Path) -> None:
    """Write the page to `out`."""
    write_text(out, render(found))


def render(found: Difference) -> str:
    """The page as HTML."""
    return (
        page_environment()
        .get_template("diff.html.j2")
        .render(
            style=_style(),
            scripts=[(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS],
            sides={"A": without_places(str(found.first.folder)), "B": without_places(str(found.other.folder))},
            headline=headline(found),
            remarks=remarks(found),
            state=state(found),
            figures=_figures(found),
            groups=_table(
                "Mean changes over the cells of an experiment, metric and method", lists.by_group(found.groups)
            ),
            tables=_tables(found),
            left=lists.LEFT,
        )
    )


def _style() -> str:
    """The style of the report's page."""
    text = (TEMPLATES / "report.html.j2").read_text(encoding="utf-8")
    return text.partition("<style>")[2].partition("</style>")[0]


def _figures(found: Difference) -> list[dict[str, str]]:
    """Of each metric a title and its drawing as an element of the page, one that is too large as an image."""
    return [
        {"title": f"{metric} ({directions([metric])})", "drawing": _element(f"changes-{i}", metric, svg)}
        for i, (metric, svg) in enumerate(drawings(found.matched))
    ]


def _element(name: str, metric: str, svg: str) -> str:
    alt = f"Each cell's change of {metric} from A to B with its interval; the numbers are in the table of cells"
    if len(svg) <= HEAVY:
        return inlined(svg, name, alt)
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'


def _tables(found: Difference) -> list[dict[str, Any]]:
    """Titles and rows, what most look for first; those without rows are left out."""
    told = lists.varying([one.cell for one in found.matched])
    tables = {
        "Verdicts that changed": lists.verdicts(found),
        "Cells that differ beyond noise": lists.cells(found.differing, told),
        "All cells that both have": lists.cells(found.matched, told),
        "In A only": lists.alone(found.only_first),
        "In B only": lists.alone(found.only_other),
        "Settings that differ in cells that are compared": lists.settings(found),
        "How they were made": lists.facts(found.facts),
        "Configuration": lists.facts(found.configuration),
    }
    return [_table(title, rows) for title, rows in tables.items() if rows]


def _table(title: str, rows: lists.Rows) -> dict[str, Any]:
    return {"title": title, "rows": rows, "columns": lists.columns(rows), "open": len(rows) <= LONG}
