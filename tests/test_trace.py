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
    result = trace(chain)
    assert result.exit_code == 0
    places = [result.output.index(name) for name in ("samples.zip", "weights", "images.zip", "folder photos of mine")]
    assert places == sorted(places)
    assert "CHANGED" not in result.output


def test_a_file_that_is_not_what_it_was_is_told(chain: Path) -> None:
    (chain.parents[1] / "run" / "weights").write_text("another")
    result = trace(chain)
    assert result.exit_code == 1
    assert result.output.count("CHANGED") >= 1
    assert "images.zip" in result.output


@pytest.fixture
def described(chain: Path) -> Path:
    """The description beside the images, made with them."""
    images = chain.parents[1] / "data" / "images.zip"
    with manifest(images.with_name("manifest.json"), [], [images, images.with_name("dataset.json")], {"source": "a"}):
        write_json(images.with_name("dataset.json"), {"labels": [0, 1]})
    return images.with_name("dataset.json")


def test_the_description_of_the_images_is_part_of_the_chain(chain: Path, described: Path) -> None:
    result = trace(chain)
    assert result.exit_code == 0
    assert f"with dataset.json  {sha256(described)[:12]}" in result.output
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
    result = trace(chain)
    assert result.exit_code == 1
    assert "with dataset.json  MISSING" in result.output if lost else "CHANGED since it was made" in result.output


def test_a_damaged_manifest_ends_the_chain(chain: Path) -> None:
    (chain.parents[1] / "run" / "manifest.json").write_text("{")
    result = trace(chain)
    assert result.exit_code == 1
    assert "run/manifest.json  CANNOT BE READ" in result.output


def test_a_missing_file_is_told(chain: Path) -> None:
    (chain.parents[1] / "data" / "images.zip").unlink()
    result = trace(chain)
    assert result.exit_code == 1
    assert "MISSING" in result.output


def test_images_that_were_not_kept_are_no_fault(chain: Path) -> None:
    features = chain.with_name("features.npz")
    with manifest(chain.with_name("features.manifest.json"), [chain], [features]):
        features.write_text("content")
    chain.unlink()
    result = trace(features)
    assert result.exit_code == 0
    assert "samples.zip" in result.output and "not kept" in result.output and "images.zip" in result.output


def test_a_file_without_a_manifest_ends_the_chain(tmp_path: Path) -> None:
    write_json(tmp_path / "found.json", {})
    result = trace(tmp_path / "found.json")
    assert result.exit_code == 0
    assert "where it comes from is not known" in result.output


def test_no_file_is_a_mistake_with_a_hint(tmp_path: Path) -> None:
    result = trace(tmp_path / "nothing.json")
    assert result.exit_code == 2
    assert "no such file; give a result" in result.output
