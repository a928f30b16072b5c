"""How often the report's rule calls a difference between networks that differ in nothing but their seeds.

REPORT is the folder of a report with replicas, as of config/digits-seeds.yaml. Its networks of ddpm and of the replicas
are dealt into pairs at random, again and again, and each deal is judged as ddpm against etsdm is.
"""

from pathlib import Path

import click
import numpy as np

from benchmarks.timing import show
from etsdm.report.cells import BASELINE, REPLICA, cells
from etsdm.report.changes import LEVEL, paired
from etsdm.report.metrics import is_frechet
from etsdm.report.published import published_value
from etsdm.report.results import Results, load
from etsdm.report.verdicts import holm

PUBLISHED = Path(__file__).parents[1] / "etsdm" / "report" / "paper_results.csv"


def networks(results: Results) -> tuple[dict[str, np.ndarray], set[str]]:
    """Log distances of all networks of ddpm by cell, each (networks,), and the cells that the paper has."""
    table = cells(results.experiment("fast-sampling"))
    table = table[table["method"].isin([BASELINE, REPLICA]) & table["metric"].map(is_frechet)]
    logs: dict[str, list[float]] = {}
    papers = set()
    for _, cell in table.iterrows():
        name = f"{cell['solver_label']}, {cell['nfe']:.0f} NFE"
        logs.setdefault(name, []).extend(np.log(list(cell["by_seed"].values())))
        if cell["method"] == BASELINE and published_value(results.published, cell) is not None:
            papers.add(name)
    return {name: np.array(values) for name, values in logs.items()}, papers


def p_value(differences: np.ndarray) -> float:
    """That of the report's paired t."""
    return paired(dict(enumerate(differences.tolist())), "%").p


def false_calls(logs: dict[str, np.ndarray], papers: set[str], seeds: int, deals: int) -> dict[str, float]:
    """Shares of deals that call a cell, the primary claim, or any cell of the table after Holm's correction."""
    rng, count = np.random.default_rng(0), len(next(iter(logs.values())))
    called = dict.fromkeys([*logs, "primary claim", "any cell, by Holm"], 0)
    for _ in range(deals):
        first, other = rng.permutation(count)[: 2 * seeds].reshape(2, seeds)
        moved = {name: values[other] - values[first] for name, values in logs.items()}
        ps = {name: p_value(differences) for name, differences in moved.items()}
        for name, p in ps.items():
            called[name] += p <= LEVEL
        called["primary claim"] += p_value(np.mean([moved[name] for name in sorted(papers)], axis=0)) <= LEVEL
        called["any cell, by Holm"] += min(holm(list(ps.values()))) <= LEVEL
    return {name: calls / deals for name, calls in called.items()}


@click.command(help=__doc__)
@click.argument("report", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", default=10, show_default=True, help="Pairs of a deal.")
@click.option("--deals", default=2000, show_default=True)
def main(report: Path, seeds: int, deals: int) -> None:
    logs, papers = networks(load(report, report.parents[1], PUBLISHED))
    shares = false_calls(logs, papers, seeds, deals)
    show([{"tested": name, "called (%)": f"{100 * share:.1f}"} for name, share in shares.items()])


if __name__ == "__main__":
    main()
