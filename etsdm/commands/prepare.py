"""`etsdm prepare`."""

from pathlib import Path

import click

from etsdm.commands._options import out_folder
from etsdm.commands._record import code_of, job, recorded, say
from etsdm.commands._specification import Specification, spec_option

ORDER = 40


@click.command()
@spec_option("data")
@out_folder("Folder for images.zip and dataset.json.  [default: that of --spec]", required=False)
@click.option("--workers", type=click.IntRange(1), help="Processes that read images.  [default: one per processor]")
def prepare(spec: Specification, out: Path | None, workers: int | None) -> None:
    """Turn a data source into images.zip and dataset.json.

    If it was interrupted, the same command continues.

    \b
    Example:  etsdm prepare --spec results/data/digits-8px-0a1b2c3d/spec.json
    """
    from etsdm.data.prepare import DIGEST_FILE
    from etsdm.data.prepare import prepare as run
    from etsdm.data.sources import fingerprint as source_fingerprint
    from etsdm.data.sources import module
    from etsdm.runtime.parts import folder_of
    from etsdm.runtime.workers import cpus

    values, out = spec.values, out or spec.folder()
    images = out / "images.zip"
    outputs, code = [images, out / "dataset.json", out / DIGEST_FILE], code_of("prepare", module(values))
    path = out / "manifest.json"
    with recorded(path, [], outputs, spec, "cpu", folder_of(images), code=code, reusable=False) as record:
        record["source"] = source_fingerprint(values)  # not kept, as sources may change
        description = run(values, out, workers=workers or cpus(), code=code, minutes=job()["minutes"])
        record.update({key: description[key] for key in ("count", "digest", "saturated", "damaged")})
    say(f"{images}: {description['count']:,} images")
