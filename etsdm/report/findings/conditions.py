"""Findings on how much of t a network is told, and on what goes with the distance."""

import math

import numpy as np

from etsdm.report.cells import BASELINE
from etsdm.report.changes import Change, paired
from etsdm.report.findings.finding import Finding, mean_text, seeds_text
from etsdm.report.names import method_name
from etsdm.report.results import Results
from etsdm.report.section import Claim
from etsdm.report.side_by_side import DISTANCE, Side, permuted, rank_correlations, sides
from etsdm.report.text import listed

FEWEST = 5
"""Methods that a rank correlation is made of, ddpm among them: of fewer, no order is rarer than 5 %."""


def withheld(results: Results, claim: Claim, method: str, predictions: tuple[str, str]) -> list[Finding]:
    """What `method` costs under the first prediction, minus what it costs under the other, by seed.

    Args:
        results: the measurements.
        claim: the claim.
        method: name of a method.
        predictions: the one under which it is said to cost more, and the other.
    """
    changes: dict[tuple[object, ...], dict[object, Change]] = {}
    for side in sides(results, claim.experiment):
        if side.method == method and DISTANCE in side.changes:
            where = tuple(value for key, value in side.network.items() if key != "prediction")
            changes.setdefault((side.label, *where), {})[side.network["prediction"]] = side.changes[DISTANCE]
    both = {key: by for key, by in changes.items() if all(prediction in by for prediction in predictions)}
    return [
        _difference(claim, str(key[0]), [by[prediction] for prediction in predictions], predictions)
        for key, by in both.items()
    ]


def _difference(claim: Claim, label: str, changes: list[Change], predictions: tuple[str, str]) -> Finding:
    first, other = changes
    effects = {seed: first.effects[seed] - other.effects[seed] for seed in first.effects if seed in other.effects}
    difference = paired(effects, first.unit)
    each = listed([f"{one.text} ({prediction})" for one, prediction in zip(changes, predictions, strict=True)])
    text = mean_text(
        difference, f"{label} changes the distance against {method_name(BASELINE)}'s by {each}. Ratio of the two"
    )
    return Finding(claim, f"{text}.", change=difference, expected=1)


def go_together(results: Results, claim: Claim, measure: str) -> list[Finding]:
    """Spearman's correlation over methods between the change of a measure and that of the distance.

    The mean over seeds is tested by permutations of the methods, the same in all seeds: seeds repeat one choice of
    methods, so their spread does not tell how a correlation would come out with other ones.
    """
    sides_of: dict[tuple[object, ...], list[Side]] = {}
    for side in sides(results, claim.experiment):
        if {DISTANCE, measure} <= side.changes.keys():
            sides_of.setdefault(tuple(side.network.values()), []).append(side)
    return [
        finding
        for group in sides_of.values()
        if len(group) + 1 >= FEWEST and (finding := _together(claim, measure, group))
    ]


def _together(claim: Claim, measure: str, group: list[Side]) -> Finding | None:
    seeds = sorted(
        set.intersection(*(set(side.changes[name].effects) for side in group for name in (DISTANCE, measure)))
    )
    first, other = (  # ddpm, whose change is 0, and the others
        np.array([[0.0, *(side.changes[name].effects[seed] for side in group)] for seed in seeds])
        for name in (measure, DISTANCE)
    )
    correlations = rank_correlations(first, other) if seeds else np.array([])
    if not seeds or np.isnan(correlations).any():
        return None
    change = Change(
        dict(zip(seeds, correlations.tolist(), strict=True)), "", math.nan, math.nan, permuted(first, other)
    )
    prediction, words = group[0].network["prediction"], listed([method_name(BASELINE), *(side.label for side in group)])
    text = (
        f"Over {len(group) + 1} methods ({words}), predicting {prediction}, the rank correlation between the {measure} "
    )
    text += f"and the distance is {change.text}, the mean over {seeds_text(len(seeds))} (each: {change.each})."
    return Finding(claim, text, change=change, expected=1)
