"""Sources in, one archive out: real files, damaged ones included."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits

from etsdm.cli import main
from etsdm.data.archive import count_images, read_images, write_images
from etsdm.data.prepare import prepare
from etsdm.data.sources import check_source, fingerprint
from etsdm.errors import UserError
from etsdm.files import read_json, write_json

DIGITS = {"name": "digits", "source": "bundled", "bundle": "digits", "resolution": 8, "channels": 1}


def folder_spec(path, resolution=16, channels=3):
    return {
        "name": "mine",
        "source": "folder",
        "path": str(path),
        "resolution": resolution,
        "channels": channels,
    }


@pytest.fixture
def photos(tmp_path):
    """Two classes of noise pictures, three each."""
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for number in range(3):
            file = tmp_path / "photos" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file)
    return tmp_path / "photos"


def test_digits_are_scikit_learns(tmp_path):
    described = prepare(DIGITS, tmp_path, progress=False)
    images = read_images(tmp_path / "images.zip")
    original = load_digits()
    assert images.shape == (1797, 8, 8, 1)
    assert np.abs(images[..., 0] / 255 * 16 - original.images).max() < 0.04
    assert described["labels"] == original.target.tolist()
    assert read_json(tmp_path / "dataset.json") == described


def test_the_archive_has_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        prepare(DIGITS, tmp_path / name, progress=False)
    for file in ("images.zip", "dataset.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_folder_keeps_pixels_and_takes_labels_from_sub_folders(tmp_path, photos):
    described = prepare(folder_spec(photos), tmp_path / "out", progress=False)
    images = read_images(tmp_path / "out" / "images.zip")
    assert described["classes"] == ["cat", "dog"]
    assert described["labels"] == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(images[4], np.asarray(Image.open(photos / "dog" / "1.png")))


def test_folder_without_sub_folders_has_no_labels(tmp_path, photos):
    described = prepare(folder_spec(photos / "cat", channels=1), tmp_path / "out", progress=False)
    assert described["labels"] is None
    assert read_images(tmp_path / "out" / "images.zip").shape == (3, 16, 16, 1)


def test_the_fingerprint_sees_files_come_and_go_but_not_time_stamps(photos):
    before = fingerprint(folder_spec(photos))
    (photos / "cat" / "0.png").touch()
    assert fingerprint(folder_spec(photos)) == before
    (photos / "cat" / "0.png").unlink()
    assert fingerprint(folder_spec(photos)) != before


def corrupt(photos):
    (photos / "cat" / "1.png").write_bytes((photos / "cat" / "1.png").read_bytes()[:200])
    return folder_spec(photos), "1.png: not a readable image"


def text_file(photos):
    (photos / "cat" / "1.png").write_text("hello")
    return folder_spec(photos), "1.png: not a readable image"


def unlike(photos):
    Image.new("RGB", (16, 12)).save(photos / "dog" / "2.png")
    return folder_spec(photos), r"2.png: is 16x12 pixels, but the data set's resolution is 16"


def missing(photos):
    return folder_spec(photos / "nowhere"), "datasets.mine.path: no folder"


def empty(photos):
    (photos / "empty").mkdir()
    return folder_spec(photos / "empty"), "datasets.mine.path: no images in"


@pytest.mark.parametrize("damage", [corrupt, text_file, unlike, missing, empty])
def test_bad_sources_stop_with_exit_code_2_and_leave_nothing(tmp_path, photos, damage):
    spec, message = damage(photos)
    write_json(tmp_path / "spec.json", spec)
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["prepare", "--spec", str(tmp_path / "spec.json"), "--out", str(out)])
    assert done.exit_code == 2
    errors = [line for line in done.output.splitlines() if line.startswith("etsdm: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.output
    assert not out.exists() or not list(out.iterdir())


def test_too_few_images_for_the_metrics_are_refused_before_any_job(photos):
    with pytest.raises(UserError, match="6 images are too few; the metrics in evaluation need at least 65"):
        check_source("mine", folder_spec(photos), 65)


def test_images_without_labels_are_refused_where_an_encoder_needs_them(photos):
    check_source("mine", folder_spec(photos), labelled=True)
    with pytest.raises(UserError, match="no labels in"):
        check_source("mine", folder_spec(photos / "cat"), labelled=True)


def test_archives_round_trip_and_a_damaged_one_is_named(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    assert write_images(tmp_path / "a.zip", images) == 5
    assert np.array_equal(read_images(tmp_path / "a.zip"), images)
    assert np.array_equal(read_images(tmp_path / "a.zip", limit=2), images[:2])
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:100])
    with pytest.raises(UserError, match=r"b\.zip: not a readable image archive"):
        count_images(tmp_path / "b.zip")


def test_nothing_stands_under_the_final_name_when_writing_fails(tmp_path):
    def images():
        yield np.zeros((4, 4, 1), np.uint8)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_images(tmp_path / "a.zip", images())
    assert not list(tmp_path.iterdir())
