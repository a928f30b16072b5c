"""The chain from a result back to the images."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etsdm.cli import main
from etsdm.runtime.files import sha256, write_json
from etsdm.runtime.manifest import manifest


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """images.zip -> weights -> samples.zip, each with its manifest."""
    images, weights, samples = (tmp_path / name for name in ("data/images.zip", "run/weights", "made/samples.zip"))
    spec = {"source": "folder", "path": "photos of mine", "name": "mine"}
    made_from: list[Path] = []
    for file in (images, weights, samples):
        with manifest(file.with_name("manifest.json"), made_from, [file], None if made_from else spec):
            file.write_text(f"content of {file.name}")
        made_from = [file]
    return samples


def trace(file: Path) -> Result:
    return CliRunner().invoke(main, ["trace", str(file)])


def test_every_step_back_to_the_images_is_shown(chain: Path) -> None:
    told = trace(chain)
    assert told.exit_code == 0
    places = [told.output.index(name) for name in ("samples.zip", "weights", "images.zip", "folder photos of mine")]
    assert places == sorted(places)
    assert "CHANGED" not in told.output


def test_a_file_that_is_not_what_it_was_is_told(chain: Path) -> None:
    (chain.parents[1] / "run" / "weights").write_text("another")
    told = trace(chain)
    assert told.exit_code == 1
    assert told.output.count("CHANGED") >= 1
    assert "images.zip" in told.output


@pytest.fixture
def described(chain: Path) -> Path:
    """The description beside the images, made with them."""
    images = chain.parents[1] / "data" / "images.zip"
    with manifest(images.with_name("manifest.json"), [], [images, images.with_name("dataset.json")], {"source": "a"}):
        write_json(images.with_name("dataset.json"), {"labels": [0, 1]})
    return images.with_name("dataset.json")


def test_the_description_of_the_images_is_part_of_the_chain(chain: Path, described: Path) -> None:
    told = trace(chain)
    assert told.exit_code == 0
    assert f"with dataset.json  {sha256(described)[:12]}" in told.output
    itself = trace(described)
    assert itself.exit_code == 0
    assert f"dataset.json  {sha256(described)[:12]}\n" in itself.output
    assert "from a" in itself.output


@pytest.mark.parametrize("lost", [False, True])
def test_a_description_that_is_not_what_it_was_is_told(lost: bool, chain: Path, described: Path) -> None:
    if lost:
        described.unlink()
    else:
        write_json(described, {"labels": [1, 0]})
    told = trace(chain)
    assert told.exit_code == 1
    assert "with dataset.json  MISSING" in told.output if lost else "CHANGED since it was made" in told.output


def test_a_damaged_manifest_ends_the_chain(chain: Path) -> None:
    (chain.parents[1] / "run" / "manifest.json").write_text("{")
    told = trace(chain)
    assert told.exit_code == 1
    assert "run/manifest.json  CANNOT BE READ" in told.output


def test_a_missing_file_is_told(chain: Path) -> None:
    (chain.parents[1] / "data" / "images.zip").unlink()
    told = trace(chain)
    assert told.exit_code == 1
    assert "MISSING" in told.output


def test_images_that_were_not_kept_are_no_fault(chain: Path) -> None:
    features = chain.with_name("features.npz")
    with manifest(chain.with_name("features.manifest.json"), [chain], [features]):
        features.write_text("content")
    chain.unlink()
    told = trace(features)
    assert told.exit_code == 0
    assert "samples.zip" in told.output and "not kept" in told.output and "images.zip" in told.output


def test_a_file_without_a_manifest_ends_the_chain(tmp_path: Path) -> None:
    write_json(tmp_path / "found.json", {})
    told = trace(tmp_path / "found.json")
    assert told.exit_code == 0
    assert "where it comes from is not known" in told.output


def test_no_file_is_a_mistake_with_a_hint(tmp_path: Path) -> None:
    told = trace(tmp_path / "nothing.json")
    assert told.exit_code == 2
    assert "no such file; give a result" in told.output
