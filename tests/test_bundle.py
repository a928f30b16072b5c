"""Bundles: what a ZIP of results must have before any of it is put in place."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import yaml
from configs import every

from etsdm.commands.bundle import KINDS
from etsdm.data.registered import licence_of, registry
from etsdm.errors import UserError
from etsdm.plan.adopt import results_of
from etsdm.plan.benchmark import Benchmark
from etsdm.plan.bundle import LARGE, SUMS, of_others, unpack
from etsdm.plan.plan import load_plan

FILES = {"scores/a.json": b"1\n", "weights.bin": bytes(range(256)) * 40}


def bundle(file: Path, files: dict[str, bytes] = FILES, listed: dict[str, bytes] | None = None) -> Path:
    sums = {f"results/{name}": hashlib.sha256(content).hexdigest() for name, content in (listed or files).items()}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"tiny/{SUMS}", "".join(f"{digest}  {name}\n" for name, digest in sums.items()))
        for name, content in files.items():
            archive.writestr(f"tiny/results/{name}", content)
    return file


def found_in(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_files_are_put_in_place_once(tmp_path: Path) -> None:
    file, root = bundle(tmp_path / "tiny.zip"), tmp_path / "results"
    assert unpack(file, root) == 2
    assert found_in(root) == FILES
    before = (root / "weights.bin").stat().st_mtime_ns
    assert unpack(file, root) == 0
    assert (root / "weights.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("files", "listed", "message"),
    [
        (FILES | {"../outside": b"x"}, None, "leads out of its folder"),
        (FILES | {"more": b"x"}, FILES, "more is not listed"),
        (FILES | {"weights.bin": b"other"}, FILES, "weights.bin is damaged"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(
    tmp_path: Path, files: dict[str, bytes], listed: dict[str, bytes] | None, message: str
) -> None:
    file, root = bundle(tmp_path / "tiny.zip", files, listed), tmp_path / "results"
    with pytest.raises(UserError, match=message):
        unpack(file, root)
    assert not root.exists() and not (tmp_path / "outside").exists()


def test_a_file_that_is_another_is_kept(tmp_path: Path) -> None:
    file, root = bundle(tmp_path / "tiny.zip"), tmp_path / "results"
    root.mkdir()
    (root / "weights.bin").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"weights.bin is another file than the bundle's; move it away"):
        unpack(file, root)
    assert found_in(root) == {"weights.bin": b"mine"}


def test_a_larger_bundle_adds_to_results_that_were_adopted_from_other_code(tmp_path: Path) -> None:
    """`etsdm adopt --any-code` notes today's code in a manifest. Any other change makes it another file."""
    manifest = {"outputs": {"weights.bin": "abc"}, "code": "old train"}
    packed = json.dumps(manifest).encode()
    root = tmp_path / "results"
    unpack(bundle(tmp_path / "small.zip", {"a/manifest.json": packed}), root)
    adopted = json.dumps(manifest | {"code": "new train", "earlier_code": [{"code": "old train"}]})
    (root / "a" / "manifest.json").write_text(adopted)
    larger = bundle(tmp_path / "large.zip", {"a/manifest.json": packed, "a/weights.bin": b"x"})
    assert unpack(larger, root) == 1
    assert (root / "a" / "manifest.json").read_text() == adopted
    for other in (manifest | {"code": "new train"}, json.loads(adopted) | {"outputs": {"weights.bin": "def"}}):
        (root / "a" / "manifest.json").write_text(json.dumps(other))
        with pytest.raises(UserError, match=r"manifest.json is another file than the bundle's"):
            unpack(larger, root)


def test_other_files_are_no_bundles(tmp_path: Path) -> None:
    text, other_zip = tmp_path / "a.zip", tmp_path / "b.zip"
    text.write_text("text")
    with zipfile.ZipFile(other_zip, "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(UserError, match="no ZIP file, or a damaged one"):
        unpack(text, tmp_path / "results")
    with pytest.raises(UserError, match="no bundle, as it has no SHA256SUMS"):
        unpack(other_zip, tmp_path / "results")


def test_every_stage_is_large_or_small(tmp_path: Path) -> None:
    """A stage with files that are no text, but in no kind, would make every bundle large."""
    large = {stage for stages in LARGE.values() for stage in stages}
    file = tmp_path / "every.yaml"
    file.write_text(yaml.safe_dump(every()))
    plan = load_plan(file, look=False)
    for result in results_of(plan, tmp_path):
        if result.code[0] not in large:
            assert {file.suffix for file in result.outputs} <= {".json", ".npz"}, result.code[0]
            assert result.outputs[0].name in {"result.json", "scores.json", "reference.npz"}


def test_a_network_of_others_is_not_packed_with_the_weights(tmp_path: Path) -> None:
    """LICENSES.md says so. A classifier is trained on the data, and is ours."""
    file = tmp_path / "both.yaml"
    encoders = [*every()["evaluation"]["encoders"], "inception"]
    file.write_text(yaml.safe_dump(every(**{"evaluation.encoders": encoders, "evaluation.samples": 2049})))
    encoder_results = [
        result for result in results_of(load_plan(file, look=False), tmp_path) if result.code[0] == "encoder"
    ]
    names = {of_others(result): result.outputs[0].name for result in encoder_results}
    assert names == {True: "inception-2015-12-05.pt", False: "weights.safetensors"}


def test_the_command_offers_every_kind() -> None:
    assert tuple(LARGE) == KINDS


def test_the_licence_of_a_data_set_is_that_of_the_registered_one() -> None:
    datasets = Benchmark.model_validate(every()).datasets
    assert licence_of(datasets["digits"]) == registry()["digits"].licence
    assert licence_of(datasets["digits"].model_copy(update={"split": "test"})) == registry()["digits"].licence
    assert licence_of(datasets["photos"]).startswith("not known here")
