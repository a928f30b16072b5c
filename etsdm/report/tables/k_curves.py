"""The table of time-Lipschitz constants."""

import pandas as pd

from etsdm.report.cells import METHOD, SETTING, Cell, rows_of, same
from etsdm.report.published import published_value
from etsdm.report.results import Results
from etsdm.report.tables.table import Table, all_values, build_table, setting, whole
from etsdm.report.text import mean_sd, number

PAIR = [*SETTING, "t_prime", "t"]


def k_table(results: Results, experiment: str) -> Table:
    """K(t', t) by pair of times, a column for each method, raw and over the square root of the dimension."""
    table = results.cells(experiment)
    full = [
        {column: cell[column] for column in [*SETTING, *METHOD[:2], "metric", "t_prime", "t"]}
        | all_values(cell)
        | {"published": published_value(results.published, cell), "reason": cell["reason"]}
        for cell in rows_of(table)
    ]
    methods = list(dict.fromkeys(table["method_label"]))
    display = [
        _display(results, pair, same(table, pair, PAIR), methods) for pair in rows_of(table.drop_duplicates(PAIR))
    ]
    return build_table(
        experiment,
        f"Time-Lipschitz constants K(t', t), mean ± sd over n = {len(results.seeds)} seeds. d is the number of values "
        "in an image. The paper's values are read off its figure, of other data and another network",
        full,
        display,
    )


def _display(results: Results, pair: Cell, here: pd.DataFrame, methods: list[str]) -> dict[str, object]:
    row = setting(pair) | {"t'": whole(pair["t_prime"]), "t": whole(pair["t"])}
    for metric, symbol in (("K", "K"), ("K-per-sqrt-dimension", "K/√d")):
        for label in methods:
            cells = here[(here["method_label"] == label) & (here["metric"] == metric)]
            row[f"{symbol} {label}"] = mean_sd(cells["mean"].iloc[0], cells["sd"].iloc[0]) if len(cells) else "NA"
    for cell in rows_of(here[here["metric"] == "K"]):
        known = published_value(results.published, cell)
        row[f"Paper's K {cell['method_label']}"] = "" if known is None else number(known)
    row["Note"] = "; ".join(f"{cell['method_label']}, {cell['reason']}" for cell in rows_of(_failed(here)))
    return row


def _failed(here: pd.DataFrame) -> pd.DataFrame:
    return here[here["reason"] != ""].drop_duplicates("method_label")
