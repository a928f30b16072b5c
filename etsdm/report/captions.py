"""Sentences that captions have in common. They state the resolved settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etsdm.report.metrics import directions
from etsdm.report.options import in_words
from etsdm.report.text import duration, listed, unique

if TYPE_CHECKING:
    from etsdm.report.results import Results

LOWER = "lower is better"
K = "K(t', t) = E‖ε(x_t, t) − ε(x_t, t')‖₂ / |t − t'|"
DIAMONDS = "Diamonds: the published change"


def seed_words(results: Results) -> str:
    """The seeds as text."""
    return f"{'seed' if len(results.seeds) == 1 else 'seeds'} {listed(results.seeds)}"


def solvers(results: Results, experiment: str) -> list[str]:
    """The solvers of an experiment, with their settings."""
    chosen = [solver for block in results.blocks(experiment) for solver in block.get("solvers", [])]
    return unique([_solver(solver) for solver in chosen])


def _solver(solver: dict[str, Any]) -> str:
    words = in_words({key: value for key, value in solver.items() if key not in ("name", "nfe")})
    return f"{solver['name']} at {listed(solver['nfe'])} NFE ({words})"


def solver_words(results: Results, experiment: str) -> str:
    """Which solvers an experiment has, as a sentence. Their settings stand once, under what was run."""
    chosen = [solver for block in results.blocks(experiment) for solver in block.get("solvers", [])]
    names = unique([f"{solver['name']} at {listed(solver['nfe'])} NFE" for solver in chosen])
    return f"Solvers: {'; '.join(names)}."


def band(results: Results) -> str:
    """What a line and its band are."""
    return f"Line: mean over {seed_words(results)}; band: lowest to highest seed; faint points: single seeds."


def cost(results: Results, experiment: str, what: str) -> str:
    """What an experiment's measurements cost.

    Args:
        results: the measurements.
        experiment: its name.
        what: what was made, as `sample sets`.
    """
    seconds = results.experiment(experiment).drop_duplicates("file")["seconds"].dropna()
    if seconds.empty:
        return f"Cost of the {what}: not known."
    return f"Cost: {len(seconds)} {what} took {duration(seconds.sum())} in all."


def pairs(block: dict[str, Any]) -> str:
    """Between which times K is measured."""
    return (
        f"Pairs (t − {block['fine_step']}, t) up to t = {block['fine_until']}; above, (t − {block['coarse_step']}, t) "
        f"up to t = {block['coarse_until']}. Mean over {block['images']:,} images at most; every network is "
        "measured on the same images and the same noise."
    )


def distances(results: Results, experiment: str) -> list[str]:
    """What a distance compares, and by which solvers."""
    from etsdm.report.figures.style import chosen_metrics

    count = results.config["evaluation"]["samples"]
    shown = chosen_metrics(results.experiment(experiment).dropna(subset=["value"]))["metric"]
    return [
        f"Each value compares {count:,} generated images with the whole data set; {directions([*shown.unique()])}.",
        solver_words(results, experiment),
    ]


def paired(results: Results, experiment: str, rows: str, published: str) -> list[str]:
    """The caption of levels and changes side by side.

    Args:
        results: the measurements.
        experiment: its name.
        rows: what a row is.
        published: what is shown of the paper.
    """
    return [
        rows,
        *distances(results, experiment),
        f"Left: mean ± standard deviation over {seed_words(results)}, ticks: single seeds. Right: change against "
        f"DDPM, paired by seed, with its 95 % interval (none for one seed). {published}",
        cost(results, experiment, "sample sets"),
    ]
