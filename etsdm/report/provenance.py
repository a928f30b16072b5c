"""By which code and which PyTorch the results of a report were made, from their manifests."""

from collections import Counter
from typing import Any, NamedTuple

from etsdm.report.results import Results
from etsdm.runtime.intact import read_manifest

KINDS = ("data", "encoders", "models", "snapshots", "samples", "restorations", "probes", "theory")
"""Runs of the inventory."""
SHORT = 12
"""Digits of a revision shown."""


class Origin(NamedTuple):
    """Where a result comes from: the revision, whether the working copy was edited, Python and the packages."""

    revision: str | None
    edited: bool
    packages: tuple[tuple[str, str], ...]
    python: str | None = None

    @property
    def torch(self) -> str | None:
        """The version of PyTorch."""
        return dict(self.packages).get("torch")

    @property
    def versions(self) -> str:
        """Python and the packages as text; empty where they are not known."""
        python = [("Python", self.python)] if self.python else []
        return ", ".join(f"{name} {version}" for name, version in [*python, *self.packages] if version)

    @property
    def code(self) -> str:
        """The revision as text."""
        if self.revision is None:
            return "not known"
        return f"{self.revision[:SHORT]}{', edited' if self.edited else ''}"


def origins(results: Results) -> dict[str, Origin]:
    """The origin of each result that is there, by the path of its manifest: of every run, and of every score."""
    runs = [path for kind in KINDS for path in results.inventory[kind]]
    paths = [f"{path}/manifest.json" for path in runs]
    scores = [m["file"] for m in results.inventory["measurements"] if m["file"].endswith("scores.json")]
    paths += [file.removesuffix("json") + "manifest.json" for file in scores]
    read = {path: read_manifest(results.root / path) for path in dict.fromkeys(paths)}
    return {path: _origin(manifest) for path, manifest in read.items() if manifest}


def _origin(manifest: dict[str, Any]) -> Origin:
    git = manifest.get("git") or {}
    packages = tuple((manifest.get("packages") or {}).items())
    return Origin(git.get("revision"), bool(git.get("dirty")), packages, manifest.get("python"))


def counted(names: list[str]) -> list[str]:
    """Each name with how often it is there, the most frequent first: `0123456789ab (12)`."""
    return [f"{name} ({count:,})" for name, count in Counter(names).most_common()]


def torches(results: Results, origin_of: dict[str, Origin]) -> dict[str, list[str]]:
    """The versions of PyTorch behind the rows of each experiment in which they differ, one for each run."""
    behind: dict[str, set[str]] = {}
    for m in results.inventory["measurements"]:
        needed = [m[key] for key in ("data", "encoder", "training", "model", "run") if m[key]]
        behind.setdefault(m["experiment"], set()).update(needed)
    used = {
        experiment: [origin.torch for path in sorted(paths) if (origin := origin_of.get(f"{path}/manifest.json"))]
        for experiment, paths in behind.items()
    }
    known = {experiment: [version for version in versions if version] for experiment, versions in used.items()}
    return {experiment: versions for experiment, versions in known.items() if len({*versions}) > 1}
