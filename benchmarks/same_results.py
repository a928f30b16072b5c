"""Whether two folders of results hold the same bytes: after a change of the code that should change no number."""

import hashlib
from pathlib import Path

import click

PATTERNS = {
    "images": "data/*/images.zip",
    "encoders": "encoders/**/weights.safetensors",
    "weights": "models/**/weights.safetensors",
    "samples": "samples/**/samples.zip",
    "restored images": "restorations/**/restored.zip",
    "features": "**/features.npz",
    "scores": "**/scores.json",
    "probes and theory": "**/result.json",
}
"""What numbers are made of. Manifests, logs and reports hold times, and so differ."""


def files_in(results: Path, pattern: str) -> dict[str, Path]:
    """The files of a pattern by their path within the results; none that is hidden."""
    files = {path.relative_to(results): path for path in results.glob(pattern)}
    return {str(path): file for path, file in files.items() if not any(part.startswith(".") for part in path.parts)}


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@click.command(help=__doc__)
@click.argument("before", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("after", type=click.Path(path_type=Path, file_okay=False, exists=True))
def main(before: Path, after: Path) -> None:
    differing = 0
    for kind, pattern in PATTERNS.items():
        old, new = files_in(before, pattern), files_in(after, pattern)
        both = sorted(old.keys() & new.keys())
        changed = [path for path in both if digest(old[path]) != digest(new[path])]
        alone = len(old.keys() ^ new.keys())
        if old or new:
            click.echo(f"{kind}: {len(both) - len(changed)} equal, {len(changed)} differ, {alone} in one folder alone")
        for path in changed:
            click.echo(f"  {path}")
        differing += len(changed) + alone
    raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
