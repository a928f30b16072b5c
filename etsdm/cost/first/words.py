"""What was decided on a first configuration and why, and what to expect of it, in honest words."""

from collections.abc import Iterator
from dataclasses import replace

from etsdm.cost.first.choose import SEEDS, Choice, is_fid
from etsdm.cost.first.draft import Draft
from etsdm.cost.first.machine import sizes_for
from etsdm.cost.first.price import Price
from etsdm.cost.sizes import SMALLEST_FOR_GPU

FEW = 1_000
"""Pictures below which networks repeat single ones."""


def reasons(choice: Choice) -> Iterator[str]:
    """What was decided and why, a sentence a line."""
    draft = choice.draft
    yield _size(choice)
    seeds = f"{draft.seeds} {'seeds' if draft.seeds > 1 else 'seed'}"
    yield f"{seeds}, {draft.trainings} trainings of {draft.images:,} images: {draft.passes:,.3g} times each picture."
    yield _metric(draft)
    yield (
        f"Estimated: {choice.seconds / 60:,.1f} of {choice.minutes:g} minutes. The rest is for the start of jobs, "
        "distances and the report."
    )


def _size(choice: Choice) -> str:
    draft = choice.draft
    sizes = sizes_for(draft.pictures, draft.machine.has_gpu)
    colour = "grey" if draft.pictures.is_grey else "in colour"
    if draft.size == sizes[-1]:
        why = "the largest size that this device and these pictures allow"
    else:
        larger = sizes[sizes.index(draft.size) + 1].side
        why = f"at {larger} px the trainings would be too short, or the seeds too few"
    return f"{draft.size.side} px, {colour}: {why}."


def _metric(draft: Draft) -> str:
    if not draft.is_scored:
        return "K alone: without labels distances need Inception's features, which take too long without a GPU."
    if draft.encoder == "classifier":
        return f"Distances by a classifier of your labels, {draft.samples:,} samples a set; they are not FID."
    kind = "FID" if is_fid(draft.pictures, draft.machine.has_gpu) else "Kernel distances"
    return f"{kind} by Inception, {draft.samples:,} samples a set."


def expectations(choice: Choice) -> Iterator[str]:
    """What quality to expect, a sentence a line."""
    draft = choice.draft
    yield _quality(choice)
    if draft.seeds == 1:
        smallest = replace(draft, size=sizes_for(draft.pictures, draft.machine.has_gpu)[0], seeds=SEEDS[-1])
        yield f"One seed shows no difference between methods; --minutes {_minutes(smallest):,} is enough for two."
    if draft.pictures.images < FEW:
        yield f"{draft.pictures.images:,} pictures are few: networks come to repeat single ones."


def _quality(choice: Choice) -> str:
    draft = choice.draft
    if not choice.is_enough:
        return (
            f"Expect noise with traces of your pictures: {draft.size.enough:,} images seen are the fewest after which "
            f"something shows ({draft.size.seen}); --minutes {_minutes(draft):,} is enough."
        )
    if draft.size.side >= SMALLEST_FOR_GPU:
        return f"Expect shapes and colours, but no details ({draft.size.seen})."
    if draft.pictures.is_grey:
        return (
            "Expect samples in which simple things, such as digits or clothes, can often be recognised "
            f"({draft.size.seen})."
        )
    return (
        "Expect rough shapes in colour at best: photographs of this size have not been measured. Those of "
        f"{SMALLEST_FOR_GPU} px and more need a GPU."
    )


def _minutes(draft: Draft) -> int:
    """The fewest whole minutes with which its trainings are long enough, if nothing else has to be given up."""
    return Price(draft).minutes(draft.size.enough)
