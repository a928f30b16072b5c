"""The table of data sets."""

from collections import Counter
from typing import Any

from etsdm.report.manifests import descriptions
from etsdm.report.results import Results
from etsdm.report.tables.table import Table, build_table

FEW = 12
"""Classes up to which each is named."""


def data_table(results: Results, name: str) -> Table:
    """Size, count and classes of each data set.

    Args:
        results: the measurements.
        name: of the table.
    """
    full: list[dict[str, object]] = []
    display: list[dict[str, object]] = []
    described = descriptions(results)
    for path, spec in results.inventory["data"].items():
        manifest = described.get(path, {})
        classes = _classes(manifest)
        common = {key: spec.get(key) for key in ("name", "resolution", "channels", "split", "source")}
        common |= {"images": manifest.get("count"), "digest": manifest.get("digest")}
        full += [common | {"class": label, "class_images": n} for label, n in classes.items()] or [common]
        display.append(
            {
                "Data": spec["name"],
                "Size": f"{spec['resolution']} px",
                "Colour": "grey" if spec["channels"] == 1 else "RGB",
                "Split": spec.get("split", "all"),
                "Images": f"{manifest['count']:,}" if manifest else "NA",
                "Classes": len(classes) or "",
                "By class": _words(classes),
                "Source": spec["source"],
            }
        )
    return build_table(name, "Data sets, and how many images each class has", full, display)


def _classes(described: dict[str, Any]) -> dict[str, int]:
    """Images by the name of their class, in the order of the classes."""
    names, counts = described.get("classes"), Counter(described.get("labels") or [])
    return {str(names[label]) if names else str(label): counts[label] for label in sorted(counts)}


def _words(classes: dict[str, int]) -> str:
    if len(classes) <= FEW:
        return ", ".join(f"{name}: {count:,}" for name, count in classes.items())
    return f"{min(classes.values()):,} to {max(classes.values()):,}"
