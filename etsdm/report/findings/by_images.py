"""Findings on how distances change while a network is trained."""

import pandas as pd

from etsdm.report.cells import BASELINE, CELL, Cell, rows_of
from etsdm.report.findings.finding import Finding, pair, summary
from etsdm.report.metrics import is_frechet
from etsdm.report.results import Results
from etsdm.report.section import Claim

SERIES = [column for column in CELL if column != "images_seen"]


def last_snapshots(results: Results, claim: Claim) -> list[Finding]:
    """The last snapshot of ddpm against the last but one, for each metric and half-life."""
    table = results.cells(claim.experiment)
    mine = table[table["metric"].map(is_frechet).astype(bool) & (table["method"] == BASELINE)]
    findings = []
    for (metric, half_life), group in mine.groupby(["metric", "ema_half_life"], sort=False):
        ends = [both for _, one in group.groupby(SERIES, dropna=False, sort=False) if (both := _ends(one))]
        if ends:
            subject = f"DDPM's {metric} (half-life {half_life:,})"
            relation = "after {1:,} images than after {0:,}".format(*(cell["images_seen"] for cell in ends[0]))
            findings.append(summary(claim, subject, relation, -1, [pair(results, a, b) for a, b in ends]))
    return findings


def _ends(series: pd.DataFrame) -> tuple[Cell, Cell] | None:
    """The cells of the last snapshot but one, and of the last."""
    ordered = rows_of(series.sort_values("images_seen"))
    return (ordered[-2], ordered[-1]) if len(ordered) > 1 else None
