"""Generated images for the page's picker: a sheet for each network, method, solver, NFE and seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from etsdm.data.archive import Pixels, pick_images, read_images
from etsdm.errors import UserError
from etsdm.report.cells import SETTING, Cell, key, rows_of
from etsdm.report.contents import MOSAIC
from etsdm.report.headings import heading
from etsdm.report.nearest import Neighbours
from etsdm.report.real_images import real_images
from etsdm.report.results import Results
from etsdm.report.thumbnails import picture

NETWORK = SETTING[1:]
NEAREST = 3
"""Training images shown for each generated one."""
BYTES = 3_000_000
"""Of all sheets of a page: where they take more, later seeds are left out."""


@dataclass(frozen=True)
class Sheet:
    """The first images of a sample set. Images at one place start from the same noise in all sheets of a seed.

    Attributes:
        network: data set, and what else differs between networks.
        method: its label.
        solver: its label.
        nfe: network evaluations an image.
        seed: of the benchmark.
        source: data URI.
        nearest: data URI of the same images, each row above the nearest training images; empty if unknown.
    """

    network: str
    method: str
    solver: str
    nfe: int
    seed: int
    source: str
    nearest: str


@dataclass(frozen=True)
class Picker:
    """What the page lets a reader choose from.

    Attributes:
        real: of each data set, a name and the data URI of real images.
        sheets: the images, the first seed's and the largest budgets first.
        left_out: seeds whose sheets would make the page too large.
    """

    real: list[tuple[str, str]]
    sheets: list[Sheet]
    left_out: list[int]


def picker(results: Results, experiments: Sequence[str]) -> Picker:
    """The images of these experiments that are there.

    Args:
        results: the measurements.
        experiments: names of the experiments whose images are shown.
    """
    rows = results.rows[results.rows["experiment"].isin(experiments)]
    rows = rows[rows["solver"].notna()].drop_duplicates("file")
    runs = {m["file"]: m for m in results.inventory["measurements"]}
    rows = rows.assign(**{name: [runs[file][name] for file in rows["file"]] for name in ("run", "data")})
    rows = rows.drop_duplicates("run")
    kept: list[Sheet] = []
    neighbours = Neighbours()
    seeds = list(rows["seed"].unique())
    for i, seed in enumerate(seeds):
        mine = rows[rows["seed"] == seed].sort_values("nfe", ascending=False, kind="stable")
        known = neighbours if i == 0 else None  # of the first seed alone, or the page grows threefold
        sheets = [sheet for row in rows_of(mine) if (sheet := _sheet(results, row, rows, known))]
        if kept and sum(len(sheet.source + sheet.nearest) for sheet in [*kept, *sheets]) > BYTES:
            return Picker(_real(results, rows), kept, [int(seed) for seed in seeds[i:]])
        kept += sheets
    return Picker(_real(results, rows), kept, [])


def samples_of(folder: Path) -> Path:
    """The images of a sample set; if they were not kept, those for figures."""
    archive = folder / "samples.zip"
    return archive if archive.exists() else folder / "shown.zip"


def _sheet(results: Results, row: Cell, rows: pd.DataFrame, neighbours: Neighbours | None) -> Sheet | None:
    images = _images(samples_of(results.root / str(row["run"])))
    if images is None:
        return None
    return Sheet(
        heading(NETWORK, key(row, NETWORK), rows),
        str(row["method_label"]),
        str(row["solver_label"]),
        int(row["nfe"]),
        int(row["seed"]),
        picture(images, *MOSAIC),
        _nearest(results, row, images, neighbours) if neighbours else "",
    )


def _nearest(results: Results, row: Cell, images: Pixels, neighbours: Neighbours) -> str:
    """Each row of images above their nearest training images."""
    scores, data = results.root / row["file"], results.root / row["data"]
    numbers = neighbours.nearest(scores.parent, data / scores.parent.name, len(images), NEAREST)
    if numbers is None or not (data / "images.zip").exists():
        return ""
    real = pick_images(data / "images.zip", [int(number) for number in numbers.T.flat])
    columns = MOSAIC[1]
    by_rank = [images, *real.reshape(NEAREST, *images.shape)]
    strips = [one[i : i + columns] for i in range(0, len(images), columns) for one in by_rank]
    return picture(np.concatenate(strips), len(strips), columns)


def _images(archive: Path) -> Pixels | None:
    """The first images; None where there are none, or the archive is damaged and will be made again."""
    try:
        return read_images(archive, MOSAIC[0] * MOSAIC[1]) if archive.exists() else None
    except UserError:
        return None


def _real(results: Results, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Real images of each data set that these rows are about."""
    wanted = {(name, side) for name, side in zip(rows["dataset"], rows["resolution"], strict=True)}
    pictures = []
    for path, spec in results.inventory["data"].items():
        if (spec["name"], spec["resolution"]) in wanted and (results.root / path / "images.zip").exists():
            images = real_images(results.root / path, MOSAIC[0] * MOSAIC[1])
            pictures.append((f"{spec['name']}, {spec['resolution']} px", picture(images, *MOSAIC)))
    return pictures
