"""What differs between two finished benchmarks, and that in one sentence."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from etsdm.report.differences.judged import Judged, judged
from etsdm.report.differences.matching import Alone, Matched, match
from etsdm.report.differences.means import Group, with_tests
from etsdm.report.differences.provenance import Pair, configured, provenance
from etsdm.report.differences.settings import Setting, alike
from etsdm.report.differences.side import Side
from etsdm.report.text import MINUS, counted
from etsdm.report.verdicts import SEEN, visible_text

State = Literal["not comparable", "same values", "differs", "no noise floor", "within noise"]


@dataclass(frozen=True)
class Difference:
    """All that is compared.

    Attributes:
        first, other: the two.
        settings: settings that hold throughout an experiment and differ.
        matched: cells that both have.
        groups: these by experiment, metric and method.
        only_first, only_other: cells that one alone has.
        verdicts: on every claim of either.
        provenance: how the two were made.
        configuration: keys that differ.
    """

    first: Side
    other: Side
    settings: list[Setting]
    matched: list[Matched]
    groups: list[Group]
    only_first: list[Alone]
    only_other: list[Alone]
    verdicts: list[Judged]
    provenance: list[Pair]
    configuration: list[Pair]

    @property
    def differing(self) -> list[Matched]:
        """The cells that differ beyond noise, those that chance explains least first."""
        return sorted((one for one in self.matched if one.differs), key=lambda one: one.p)

    @property
    def differing_means(self) -> list[Group]:
        """The groups whose mean change is beyond noise."""
        return [one for one in self.groups if one.differs]

    @property
    def untested(self) -> list[Matched]:
        """The cells that differ, and for which no noise floor can be computed."""
        return [one for one in self.matched if one.untested]

    @property
    def changed_verdicts(self) -> list[Judged]:
        """The claims whose verdicts differ."""
        return [one for one in self.verdicts if one.changed]


def difference(first: Side, other: Side) -> Difference:
    """Compare two benchmarks."""
    rows, settings = alike(first.rows, other.rows)
    cells, only_first, only_other = match(first.rows, rows)
    matched, groups = with_tests(cells)
    return Difference(
        first,
        other,
        settings,
        matched,
        groups,
        only_first,
        only_other,
        judged(first.verdicts, other.verdicts),
        provenance(first, other, first.rows, rows),
        configured(first, other),
    )


def state(difference: Difference) -> State:
    """The answer in two words."""
    other_values = [one for one in difference.matched if not one.same]
    if not difference.matched:
        return "not comparable"
    if not other_values:
        return "same values"
    if difference.differing or difference.differing_means:
        return "differs"
    return "no noise floor" if len(difference.untested) == len(other_values) else "within noise"


def headline(difference: Difference) -> str:
    """Whether anything differs beyond noise, in one line."""
    cells = counted(len(difference.matched), "cell")
    values = counted(sum(len(one.first) for one in difference.matched), "value")
    others = sum(not one.same for one in difference.matched)
    differ, have = ("differs", "has") if others == 1 else ("differ", "have")
    sentences: dict[State, Callable[[], str]] = {
        "not comparable": lambda: "Nothing can be compared: A and B have no cell in common.",
        "same values": lambda: f"Nothing differs: all {values} of {cells} are the same to the last digit.",
        "differs": lambda: f"{_differing(difference)} beyond noise, the largest by {_largest(difference)}.",
        "no noise floor": lambda: f"No noise floor can be computed, {_why(difference)}: {others} of {cells} {differ}.",
        "within noise": lambda: f"Nothing differs beyond noise: {others} of {cells} {have} other values.",
    }
    return sentences[state(difference)]()


def _why(difference: Difference) -> str:
    one_seed = all(len(one.first) == 1 for one in difference.untested)
    return "as there is one seed only" if one_seed else "as too few seeds have values"


def _differing(difference: Difference) -> str:
    """How many cells differ, or where no single one does, how many mean changes."""
    if difference.differing:
        verb = "differs" if len(difference.differing) == 1 else "differ"
        return f"{len(difference.differing)} of {counted(len(difference.matched), 'cell')} {verb}"
    means = sum(one.change is not None for one in difference.groups)
    return f"No single cell differs, but {len(difference.differing_means)} of {counted(means, 'mean')} over cells"


def _largest(difference: Difference) -> str:
    """The largest change in per cent, or the first one where there is none in per cent."""
    called = [one.change for one in difference.differing]
    called = called or [one.change for one in difference.differing_means if one.change]
    shares = [change for change in called if change.unit == "%"]
    return max(shares, key=lambda change: abs(change.effect), default=called[0]).text


def remarks(difference: Difference) -> list[str]:
    """What else the first lines say, in sentences."""
    compared = [*_values(difference), *_tests(difference), *_pairs(difference)] if difference.matched else []
    return [*compared, *_verdicts(difference), *_alone(difference)]


def _values(difference: Difference) -> list[str]:
    total, same = sum(len(one.first) for one in difference.matched), sum(one.equal_values for one in difference.matched)
    return [f"{same:,} of {counted(total, 'value')} are the same to the last digit."] if same < total else []


def _tests(difference: Difference) -> list[str]:
    tests, sentences = [one for one in difference.matched if not math.isnan(one.p)], []
    if tests:
        sentences.append(
            "Changes are means over seeds, each seed compared with itself. Beyond noise means p ≤ 0.05 after Holm's "
            f"correction over {counted(tests[0].tests, 'test')}, of cells and of mean changes over cells."
        )
    shares = sorted((one for one in tests if one.change.unit == "%"), key=lambda one: one.change.error)
    if shares:
        middle = shares[len(shares) // 2]
        size = visible_text(middle.change, middle.tests)
        sentences.append(f"In half of these cells a change of {size} or more would have been called {SEEN}.")
    if tests and difference.untested:
        more = counted(len(difference.untested), "cell")
        sentences.append(f"{more} more differ without a noise floor, {_why(difference)}.")
    return sentences


def _pairs(difference: Difference) -> list[str]:
    apart = [one for one in difference.matched if not one.paired]
    if not apart:
        return []
    return [f"A and B have other seeds in {counted(len(apart), 'cell')}; seeds are paired there in their order."]


def _verdicts(difference: Difference) -> list[str]:
    if difference.first.verdicts.empty or difference.other.verdicts.empty:
        return ["Verdicts are not compared: a folder has no tables/verdicts.csv."]
    claims = counted(len(difference.verdicts), "claim")
    return [f"Verdicts that changed: {len(difference.changed_verdicts)} of {claims}."]


def _alone(difference: Difference) -> list[str]:
    sides = {"A": difference.only_first, "B": difference.only_other}
    return [f"{counted(len(alone), 'cell')} in {side} only." for side, alone in sides.items() if alone]


def p_text(p: float) -> str:
    """A p value; empty if there is none."""
    if math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.2g}".replace("-", MINUS)
