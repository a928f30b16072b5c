"""From any source to `images.zip` and `dataset.json`: images are decoded in parts by several processes, then packed."""

import hashlib
import math
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from etsdm.data.archive import Pixels, encode_png, write_pngs
from etsdm.data.originals import Damaged, Originals, Remark
from etsdm.data.saturation import Saturation
from etsdm.data.sources import check_source, fingerprint, load_source
from etsdm.errors import UserError
from etsdm.runtime.batches import images_within
from etsdm.runtime.files import write_json, write_text
from etsdm.runtime.parts import Parts
from etsdm.runtime.processes import ALONE
from etsdm.runtime.stop import StopRequest
from etsdm.runtime.workers import ordered

DIGEST_FILE = "images.digest"
"""What is made from the images depends on this file alone: one line with their digest."""
PART_VALUES = 2**22
"""Pixel values in a part, of which two a process are in memory."""
MOST_ERRORS = 20
"""The preparation names this many bad images, and gives up."""
MOST_NAMES = 5
"""Images that are named as an example of a remark."""


class Decoded(NamedTuple):
    """What became of a part: images read, what is wrong with them, which were left out and why, what is said of which.

    Those left out go by their number in the source.
    """

    read: int
    problems: list[str]
    damaged: dict[int, str]
    remarks: list[tuple[str, str]]


def prepare(
    spec: dict[str, Any], out: Path, progress: bool = True, workers: int = 1, code: str = "", minutes: float = 0
) -> dict[str, Any]:
    """Write the data set's images to `out/images.zip`, its description to `out/dataset.json`, its digest to a file.

    The files are the same for any number of workers. What an attempt that was cut off has left is gone on with.

    Args:
        spec: the data set's resolved specification.
        out: folder of the data set.
        progress: show a progress bar.
        workers: processes that decode and encode images.
        code: digest of the code; what other code has left is not taken up.
        minutes: time limit of the job, before which it stops; 0 for none.

    Returns:
        The description: name, count, height, width, channels, split, labels, classes and digest. The digest covers
        pixels and labels, so it tells whether two data sets are the same. Beside it `saturated`, the share of pixel
        values at 0 or 255, and `damaged`, what is wrong with each image that was left out. These are not in the file.

    Raises:
        UserError: the source is missing, empty, too small, of unlike sizes, or has more damaged images than its
            specification's `skip_damaged`; bad images are all named, up to `MOST_ERRORS`.
        Interrupted: SIGTERM or SIGINT came, or the time is nearly up; finished parts are kept.
    """
    for remark in check_source(spec["name"], spec).remarks:
        print(f"etsdm: {spec['name']}: {remark}", file=sys.stderr)
    source = load_source(spec)
    size = images_within(PART_VALUES, (spec["channels"], spec["resolution"], spec["resolution"]))
    digest, saturation = hashlib.sha256(), Saturation()

    def seen(images: Pixels) -> None:
        digest.update(images.tobytes())
        saturation.count(images)

    with StopRequest(minutes) as stop:
        count = math.ceil(source.count / size)
        parts = Parts(out / "images.zip", (spec, fingerprint(spec), size, code), count, ALONE)
        workers = min(workers, parts.count)
        with tqdm(total=source.count, desc="decode", unit=" images", disable=not progress) as bar:
            damaged = _decode(spec, source, parts, size, workers, stop, bar)
        labels = source.labels and [label for row, label in enumerate(source.labels) if row not in damaged]
        digest.update(repr(labels).encode())
        with tqdm(total=source.count - len(damaged), desc="pack", unit=" images", disable=not progress) as bar:
            total = write_pngs(out / "images.zip", _packed(parts, workers, stop, seen, bar))
    description = {
        "name": spec["name"],
        "count": total,
        "height": spec["resolution"],
        "width": spec["resolution"],
        "channels": spec["channels"],
        "split": spec.get("split", "all"),
        "digest": digest.hexdigest(),
        "classes": source.classes,
        "labels": labels,
    }
    write_json(out / "dataset.json", description)
    write_text(out / DIGEST_FILE, description["digest"] + "\n")
    return description | {
        "saturated": saturation.share,
        "damaged": [damaged[row] for row in sorted(damaged)],
    }


def _decode(
    spec: dict[str, Any], source: Originals, parts: Parts, size: int, workers: int, stop: StopRequest, bar: tqdm
) -> dict[int, str]:
    """Make the parts that are not there yet, and say what is remarkable in them.

    Returns:
        What is wrong with the images that are left out, by their number in the source.
    """
    name, spare = spec["name"], spec.get("skip_damaged", 0)
    damaged: dict[int, str] = {}

    def missing() -> Iterator[tuple[int, list[Any]]]:
        items = iter(source.items)
        for number in range(parts.count):
            part = list(islice(items, size))
            if parts.has(number):
                bar.update(len(part))
                damaged.update({int(row): why for row, why in (parts.noted(number) or {}).items()})
                continue
            if stop.requested:
                raise parts.interrupted(number)
            yield number, part

    problems: list[str] = []
    remarks: dict[str, list[str]] = defaultdict(list)
    try:
        for decoded in ordered(partial(_decode_part, parts, source.decode, size, spare > 0), missing(), workers):
            bar.update(decoded.read)
            problems += decoded.problems
            damaged.update(decoded.damaged)
            for text, image in decoded.remarks:
                remarks[text].append(image)
            if len(problems) >= MOST_ERRORS or len(damaged) > spare:
                break
    finally:
        for text, images in remarks.items():
            examples = ", ".join([*images[:MOST_NAMES], *["..."] * (len(images) > MOST_NAMES)])
            print(f"etsdm: {name}: {text}: {len(images):,} ({examples})", file=sys.stderr)
    reasons = [damaged[row] for row in sorted(damaged)]
    if len(damaged) > spare or len(damaged) == source.count:
        problems += [*reasons[: MOST_ERRORS - 1], f"skip_damaged: {spare} images may be left out, and not all of them"]
    if problems:
        parts.remove()
        raise UserError("\n".join([*problems[:MOST_ERRORS], *["and perhaps more"] * (len(problems) >= MOST_ERRORS)]))
    if damaged:
        print(f"etsdm: {name}: left out {len(damaged):,} damaged images of {source.count:,}:", file=sys.stderr)
        print(*reasons, sep="\n", file=sys.stderr)
    return damaged


def _decode_part(
    parts: Parts, decode: Callable[[Any], Pixels], size: int, skip: bool, numbered: tuple[int, list[Any]]
) -> Decoded:
    """Write a part, if nothing is wrong; with `skip` it is written without the images that are damaged."""
    number, items = numbered
    images, problems, damaged = [], [], {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", Remark)
        for row, item in enumerate(items, start=number * size):
            try:
                images.append(decode(item))
            except UserError as error:
                if skip and isinstance(error, Damaged):
                    damaged[row] = str(error)
                else:
                    problems.append(str(error))
    remarks = [(odd.text, odd.name) for odd in (warning.message for warning in caught) if isinstance(odd, Remark)]
    if not problems:
        if damaged:
            parts.note(number, damaged)
        parts.write(number, np.stack(images) if images else np.empty((0, 1, 1, 1), np.uint8))
    return Decoded(len(items), problems, damaged, remarks)


def _packed(
    parts: Parts, workers: int, stop: StopRequest, seen: Callable[[Pixels], None], bar: tqdm
) -> Iterator[bytes]:
    """The images of all parts as PNGs; their pixels are handed to `seen`."""
    for number, pngs in enumerate(ordered(partial(_encode_part, parts), range(parts.count), workers)):
        if stop.requested:
            raise parts.interrupted(parts.count)
        seen(parts.read(number))
        yield from pngs
        bar.update(len(pngs))


def _encode_part(parts: Parts, number: int) -> list[bytes]:
    return [encode_png(image) for image in parts.read(number)]
