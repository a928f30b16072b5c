"""`etsdm score`."""

from pathlib import Path

import click

from etsdm.commands._options import DISTANCE, ENCODER, INPUT, out_file
from etsdm.commands._record import code_of, manifest_of, recorded, say

ORDER = 140


@click.command()
@click.option("--samples", type=INPUT, required=True, help="Features of the generated images, by `etsdm features`.")
@click.option("--reference", type=INPUT, required=True, help="Features of the data set, by the same encoder.")
@click.option("--summary", type=INPUT, help="Summary of the reference, by `etsdm reference`.  [default: computed here]")
@ENCODER
@DISTANCE
@click.option("--count", type=int, help="Images that the sample set must have; any other is refused.  [default: any]")
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Replicates of the Frechet distance over resampled images. Each takes as long as the distance.",
)
@out_file("scores.json to write.")
def score(
    samples: Path,
    reference: Path,
    summary: Path | None,
    encoder: str,
    distance: tuple[str, ...],
    count: int | None,
    bootstrap: int,
    out: Path,
) -> None:
    """Compute distances, such as FID, from stored features.

    \b
    Example:  etsdm score --samples samples/features.npz --reference data/features.npz \\
                --encoder inception --count 10000 --out scores.json
    """
    from etsdm.metrics.score import modules
    from etsdm.metrics.score import score as run

    inputs = [samples, reference, *([summary] if summary else [])]
    spec = {"encoder": encoder, "distances": [*distance], "count": count, "bootstrap": bootstrap}
    code = code_of("score", *modules(encoder, [*distance]))
    with recorded(manifest_of(out), inputs, [out], spec, code=code):
        values = run(samples, reference, summary, [*distance], encoder, count, out, bootstrap)["values"]
    say(*(f"{name}  {value:.6g}" for name, value in values.items()), out)
