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


def write_page(difference: Difference, out: Path) -> None:
    """Write the page to `out`."""
    write_text(out, render(difference))


def render(difference: Difference) -> str:
    """The page as HTML."""
    return (
        page_environment()
        .get_template("diff.html.j2")
        .render(
            scripts=[(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS],
            sides=_sides(difference),
            headline=headline(difference),
            remarks=remarks(difference),
            state=state(difference),
            figures=_figures(difference),
            groups=_table(
                "Mean changes over the cells of an experiment, metric and method", lists.by_group(difference.groups)
            ),
            tables=_tables(difference),
            left=lists.LEFT,
        )
    )


def _sides(difference: Difference) -> dict[str, str]:
    """Of A and B the folder, without what is private, and the revision that tells folders of one name apart."""
    revision = next((pair for pair in difference.provenance if pair.name == "revision"), None)
    revisions = (revision.first, revision.other) if revision else ("", "")
    return {
        name: without_places(str(side.folder)) + (f", revision {at}" if at else "")
        for name, side, at in zip("AB", (difference.first, difference.other), revisions, strict=True)
    }


def _figures(difference: Difference) -> list[dict[str, str]]:
    """Of each metric a title and its drawing as an element of the page, one that is too large as an image."""
    return [
        {"title": f"{metric} ({directions([metric])})", "drawing": _element(f"changes-{i}", metric, svg)}
        for i, (metric, svg) in enumerate(drawings(difference.matched))
    ]


def _element(name: str, metric: str, svg: str) -> str:
    alt = f"Each cell's change of {metric} from A to B with its interval; the numbers are in the table of cells"
    if len(svg) <= HEAVY:
        return inlined(svg, name, alt)
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'


def _tables(difference: Difference) -> list[dict[str, Any]]:
    """Titles and rows, what most look for first; those without rows are left out."""
    columns = lists.varying([one.cell for one in difference.matched])
    tables = {
        "Verdicts that changed": lists.verdicts(difference),
        "Cells that differ beyond noise": lists.cells(difference.differing, columns),
        "All cells that both have": lists.cells(difference.matched, columns),
        "In A only": lists.alone(difference.only_first),
        "In B only": lists.alone(difference.only_other),
        "Settings that differ in cells that are compared": lists.settings(difference),
        "How they were made": lists.pairs(difference.provenance),
        "Configuration": lists.pairs(difference.configuration),
    }
    return [_table(title, rows) for title, rows in tables.items() if rows]


def _table(title: str, rows: lists.Rows) -> dict[str, Any]:
    return {"title": title, "rows": rows, "columns": lists.columns(rows), "open": len(rows) <= LONG}
