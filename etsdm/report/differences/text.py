"""What differs, as lines for a terminal."""

import pandas as pd

from etsdm.report.differences import lists
from etsdm.report.differences.difference import Difference, headline, remarks

MOST = 12
"""Rows of a list; the page has all."""
WIDEST = 56
"""Letters of a value."""


def text(difference: Difference) -> str:
    """The headline, remarks and short tables."""
    sides = [f"A  {difference.first.folder}", f"B  {difference.other.folder}"]
    blocks = ["\n".join(sides), "\n".join([headline(difference), *remarks(difference)])]
    parts = {
        "Verdicts that changed": lists.verdicts(difference),
        "Mean changes over the cells of an experiment, metric and method": _means(difference),
        "Cells that differ beyond noise": _differing(difference),
        "In A only": lists.alone(difference.only_first),
        "In B only": lists.alone(difference.only_other),
        "Settings that differ in cells that are compared": lists.settings(difference),
        "How they were made": lists.pairs([pair for pair in difference.provenance if pair.differs]),
        "Configuration": lists.pairs(difference.configuration),
    }
    blocks += [f"{title}\n{_table(rows)}" for title, rows in parts.items() if rows]
    return "\n\n".join(blocks)


def _means(difference: Difference) -> lists.Rows:
    others = [one for one in difference.groups if not all(cell.same for cell in one.cells)]
    names = ("Experiment", "Method", "Metric", "Mean change", "95 % interval", "p", "Differ", "Same", "Cells")
    return _chosen(lists.by_group(others), names)


def _differing(difference: Difference) -> lists.Rows:
    columns = lists.varying([one.cell for one in difference.matched])
    names = ("Experiment", "Cell", "Metric", "Change", "95 % interval", "p")
    return _chosen(lists.cells(difference.differing, columns), names)


def _chosen(rows: lists.Rows, names: tuple[str, ...]) -> lists.Rows:
    return [{name: row[name] for name in names} for row in rows]


def _table(rows: lists.Rows) -> str:
    """Columns side by side, empty ones left out, and how many rows are left out."""
    shown = pd.DataFrame(rows[:MOST], columns=lists.columns(rows)).map(_short)
    sides = ["left" if column in lists.LEFT else "right" for column in shown]
    body = shown.to_markdown(index=False, tablefmt="plain", colalign=sides, disable_numparse=True)
    lines = [f"  {line}".rstrip() for line in body.splitlines()]
    if len(rows) > MOST:
        lines.append(f"  ... and {len(rows) - MOST} more; --out page.html shows all")
    return "\n".join(lines)


def _short(value: str) -> str:
    return value if len(value) <= WIDEST else f"{value[: WIDEST - 3]}..."
