"""From any source to `images.zip` and `dataset.json`."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from etsdm.data.archive import Pixels, write_images
from etsdm.data.sources import check_source, load_source
from etsdm.files import write_json


def prepare(spec: dict[str, Any], out: Path, progress: bool = True) -> dict[str, Any]:
    """Write the data set's images to `out/images.zip` and its description to `out/dataset.json`.

    Args:
        spec: the data set's resolved specification.
        out: folder of the data set.
        progress: show a progress bar.

    Returns:
        The description: name, count, height, width, channels, split, labels, classes and digest. The digest covers
        pixels and labels, so it tells whether two data sets are the same.

    Raises:
        UserError: the source is missing, empty, too small, corrupt, or of unlike sizes.
    """
    check_source(spec["name"], spec)
    source = load_source(spec)
    digest = hashlib.sha256(repr(source.labels).encode())

    def digested() -> Iterator[Pixels]:
        for image in tqdm(source.images, "prepare", source.count, unit=" images", disable=not progress):
            digest.update(image.tobytes())
            yield image

    count = write_images(out / "images.zip", digested())
    description = {
        "name": spec["name"],
        "count": count,
        "height": spec["resolution"],
        "width": spec["resolution"],
        "channels": spec["channels"],
        "split": spec.get("split", "all"),
        "digest": digest.hexdigest(),
        "classes": source.classes,
        "labels": source.labels,
    }
    write_json(out / "dataset.json", description)
    return description
