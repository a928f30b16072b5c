"""A finished benchmark as one file for others: what was measured, how it was made, and a digest of each file.

The ZIP holds a folder named after the benchmark. In it lie `results/` with the files where the workflow looks for them,
`config.yaml`, `README.md`, `LICENSES.md` and `SHA256SUMS`, which `sha256sum -c` reads.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import yaml

from etsdm.data.registered import licence_of
from etsdm.errors import UserError
from etsdm.plan.adopt import Result, report_of, results_of
from etsdm.plan.plan import Plan
from etsdm.runtime.digests import remembered
from etsdm.runtime.files import atomic, read_json
from etsdm.runtime.places import without_places

LARGE = {
    "data": ("prepare",),
    "weights": ("encoder", "train", "snapshot"),
    "samples": ("sample", "excerpt", "restore"),
    "features": ("features",),
}
"""What is packed only if it is wanted, with the stages that make it."""
SMALL = (".json", ".jsonl", ".digest")
"""Ends of files that are packed whatever is wanted."""
SUMS = "SHA256SUMS"
FOLDER = "results"
README = """# {name}

A finished benchmark of E-TSDM against DDPM. `results/reports/{name}/report.html` opens in a browser, and needs no
other file. `rows.csv` there has every measurement, `tables/` and `figures/` what was made from them. Each result
has a manifest that says how it came to be. `{sums}` has the digest of every file: `sha256sum -c {sums}`.

Packed beside reports, scores and manifests: {packed}.

To go on from here, in a clone of the benchmark's repository at a revision that the manifests name:

    etsdm adopt config.yaml --bundle {name}.zip
    make reproduce CONFIG=config.yaml

The first command takes over what the bundle holds; the second makes only what is missing. Published networks that
features are made with, such as Inception's, are not packed: `etsdm fetch config.yaml` gets them first.
"""
LICENCES = """# Licences

The code that made these results is under the MIT licence. If you pass this bundle on, say under which licence the
numbers are; none is chosen here. Networks and images were made from the data below, whose licences may bind them.

{data}

No weights of the Inception network or of DINOv2 are in this bundle.
"""


def pack(plan: Plan, root: Path, kinds: list[str], out: Path, seen: Callable[[int], object] = lambda _: None) -> int:
    """Write a finished benchmark into one ZIP; return the number of its results' files.

    Args:
        plan: what was to be measured.
        root: root of the results.
        kinds: names in `LARGE`.
        out: file to write.
        seen: told the bytes of each file that is packed.

    Raises:
        UserError: a result is missing, or is not what its manifest says.
    """
    name, files = plan.config.name, _files(plan, root, kinds)
    licences = dict.fromkeys(f"- {key}: {licence_of(dataset)}" for key, dataset in plan.config.datasets.items())
    texts = {
        "README.md": README.format(name=name, sums=SUMS, packed=", ".join(kinds) or "nothing else"),
        "LICENSES.md": LICENCES.format(data="\n".join(licences)),
        "config.yaml": yaml.safe_dump(
            without_places(plan.config.model_dump(mode="json", exclude_none=True)), sort_keys=False, allow_unicode=True
        ),
    }
    sums = {place: hashlib.sha256(text.encode()).hexdigest() for place, text in texts.items()}
    sums |= {f"{FOLDER}/{file.relative_to(root).as_posix()}": remembered(file) for file in files}
    texts[SUMS] = "".join(f"{digest}  {place}\n" for place, digest in sums.items())
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
        for place, text in texts.items():
            bundle.writestr(f"{name}/{place}", text)
        for file in files:
            bundle.write(file, f"{name}/{FOLDER}/{file.relative_to(root).as_posix()}")
            seen(file.stat().st_size)
    return len(files)


def _files(plan: Plan, root: Path, kinds: list[str]) -> list[Path]:
    left_out = {stage for kind, stages in LARGE.items() if kind not in kinds for stage in stages}
    files = dict.fromkeys([root / plan.report / "inventory.json"])
    missing = []
    for result in _results(plan, root):
        if not result.manifest.exists():
            missing.append(result.manifest)
            continue
        files |= dict.fromkeys([result.manifest, *_small_beside(result)])
        if result.code[0] not in left_out and not result.is_gone and not of_others(result):
            files |= dict.fromkeys(_whole(result))
    if missing:
        raise UserError(
            f"{missing[0]} and {len(missing) - 1:,} more are missing: the benchmark is not finished; "
            "`make reproduce CONFIG=...` makes what is missing"
        )
    return [*files]


def _results(plan: Plan, root: Path) -> Iterator[Result]:
    yield from results_of(plan, root)
    yield from report_of(plan, root)


def of_others(result: Result) -> bool:
    """Whether it is a copy of a published network, such as Inception's, which is made from nothing here."""
    return result.code[0] == "encoder" and not result.inputs


def _small_beside(result: Result) -> list[Path]:
    """The outputs that are always packed, and the specification."""
    spec = result.manifest.with_name("spec.json")
    small = [file for file in result.outputs if file.suffix in SMALL and file.exists()]
    return [*small, *([spec] if spec.exists() and result.manifest.name == "manifest.json" else [])]


def _whole(result: Result) -> list[Path]:
    """The outputs, each what its manifest says."""
    digests = read_json(result.manifest)["outputs"]
    for file in result.outputs:
        if not file.exists():
            raise UserError(f"{file} is missing; `make reproduce CONFIG=...` makes it again")
        if digests.get(file.name) != remembered(file):
            raise UserError(f"{file} is not what its manifest says; `etsdm redo {file}` and make it again")
    return result.outputs


def unpack(file: Path, root: Path, seen: Callable[[int], object] = lambda _: None) -> int:
    """Put the results of a bundle below the folder `root`; return how many files were not there before.

    Raises:
        UserError: it is no bundle, a file in it is damaged or not listed, or another file is in its place. Nothing is
            written then.
    """
    try:
        with zipfile.ZipFile(file) as bundle:
            members = _listed(file, bundle)
            new = {place: member for place, member in members.items() if not _is_there(root / place, bundle, *member)}
            for place, (name, digest) in new.items():
                if _digest(bundle, name, seen) != digest:
                    raise UserError(f"{file}: {place} is damaged; get the bundle again")
            for place, (name, _) in new.items():
                (root / place).parent.mkdir(parents=True, exist_ok=True)
                with bundle.open(name) as packed, atomic(root / place) as temporary, temporary.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
    except zipfile.BadZipFile as error:
        raise UserError(f"{file}: no ZIP file, or a damaged one ({error}); get the bundle again") from error
    return len(new)


def _listed(file: Path, bundle: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """Place below the results, name in the ZIP and digest of each result."""
    sums = [name for name in bundle.namelist() if PurePosixPath(name).name == SUMS and name.count("/") == 1]
    if len(sums) != 1:
        raise UserError(f"{file}: no bundle, as it has no {SUMS}; `etsdm bundle` makes one")
    top = sums[0].removesuffix(SUMS)
    lines = bundle.read(sums[0]).decode().splitlines()
    digests = {top + place: digest for digest, _, place in (line.partition("  ") for line in lines)}
    results = [name for name in bundle.namelist() if name.startswith(f"{top}{FOLDER}/")]
    for name in results:
        if name not in digests or ".." in PurePosixPath(name).parts or "\\" in name:
            raise UserError(f"{file}: {name} is not listed in {SUMS}, or leads out of its folder; get the bundle again")
    return {name.removeprefix(f"{top}{FOLDER}/"): (name, digests[name]) for name in results}


def _is_there(place: Path, bundle: zipfile.ZipFile, name: str, digest: str) -> bool:
    """Whether this very file is there, or a manifest adopted from it. Raises UserError where another one is."""
    if not place.exists():
        return False
    if remembered(place) != digest and not _is_adopted_from(place, bundle.read(name)):
        raise UserError(f"{place} is another file than the bundle's; move it away, or unpack into another clone")
    return True


def _is_adopted_from(place: Path, original: bytes) -> bool:
    """Whether the file is that manifest with other code noted in it, as `etsdm adopt --any-code` does."""
    if not place.name.endswith("manifest.json"):
        return False
    mine, theirs = read_json(place), json.loads(original)
    codes = [earlier["code"] for earlier in mine.get("earlier_code", [])]
    as_before = {key: value for key, value in mine.items() if key != "earlier_code"} | {"code": theirs["code"]}
    return as_before == theirs and theirs["code"] in codes


def _digest(bundle: zipfile.ZipFile, name: str, seen: Callable[[int], object]) -> str:
    sha = hashlib.sha256()
    with bundle.open(name) as packed:
        while block := packed.read(1 << 20):
            sha.update(block)
            seen(len(block))
    return sha.hexdigest()
