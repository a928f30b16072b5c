"""The images of the report: real ones from all classes, generated ones to choose from."""

import base64
import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_made import write_results
from PIL import Image
from reports import configuration, read

from etsdm.data.archive import read_images, write_images
from etsdm.metrics.store import save_features
from etsdm.report import sheets
from etsdm.report.contents import MOSAIC
from etsdm.report.nearest import Neighbours
from etsdm.report.real_images import drawn, real_images
from etsdm.report.sheets import picker
from etsdm.report.tables.data import data_table
from etsdm.report.thumbnails import LARGEST, picture
from etsdm.runtime.files import write_json

SHOWN = ["comparison", "fast-sampling"]


def pixels(source: str) -> np.ndarray:
    """What a data URI shows."""
    with Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))) as image:
        return np.asarray(image)


def test_real_images_are_of_all_classes() -> None:
    labels = [0] * 900 + [1] * 90 + [2] * 10
    numbers = drawn(labels, len(labels), 12)
    assert numbers == drawn(labels, len(labels), 12), "a seed decides"
    assert len(set(numbers)) == 12
    assert Counter(labels[n] for n in numbers) == {0: 4, 1: 4, 2: 4}
    assert [labels[n] for n in numbers[:3]] == [0, 1, 2]


def test_a_class_that_is_too_small_leaves_its_turns_to_others() -> None:
    labels = [0] * 20 + [1]
    assert Counter(labels[n] for n in drawn(labels, 21, 12)) == {0: 11, 1: 1}


def test_of_more_classes_than_images_some_are_drawn() -> None:
    labels = [n // 3 for n in range(300)]
    chosen = {labels[n] for n in drawn(labels, 300, 12)}
    assert len(chosen) == 12 and chosen != set(range(12))


def test_images_without_labels_are_drawn_from_all() -> None:
    numbers = drawn(None, 1000, 12)
    assert len(set(numbers)) == 12 and max(numbers) > 500
    assert sorted(drawn(None, 5, 12)) == [0, 1, 2, 3, 4], "there are no more"


def test_real_images_are_those_of_the_archive(tmp_path: Path) -> None:
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1).repeat(4, 1).repeat(4, 2)
    write_images(tmp_path / "images.zip", images)
    write_json(tmp_path / "dataset.json", {"labels": [n % 3 for n in range(30)]})
    selection = real_images(tmp_path, 6)
    assert [int(image[0, 0, 0]) % 3 for image in selection] == [0, 1, 2, 0, 1, 2]


def test_small_images_keep_their_pixels_and_large_ones_shrink() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(pixels(picture(images, 2, 2))[9:, 9:], images[3])
    large = np.zeros((4, 256, 256, 1), dtype=np.uint8)
    assert pixels(picture(large, 1, 4)).shape[0] == LARGEST


def test_the_picker_has_every_sample_set_once(built: tuple[Path, Path]) -> None:
    choices = picker(read(built[0]), SHOWN)
    named = [(sheet.method, sheet.solver, sheet.nfe, sheet.seed) for sheet in choices.sheets]
    assert len(named) == len(set(named)) == 15, "one run failed"
    assert {sheet.seed for sheet in choices.sheets} == {3, 7} and choices.left_out == []
    assert {sheet.network for sheet in choices.sheets} == {"digits, 8 px"}
    assert [name for name, _ in choices.real] == ["digits, 8 px"]
    results = read(built[0])
    run = next(path for path, spec in results.inventory["samples"].items() if spec["seed"] == choices.sheets[0].seed)
    first = read_images(results.root / run / "samples.zip", 1)[0].squeeze()
    assert np.array_equal(pixels(choices.sheets[0].source)[:8, :8], first)
    assert pixels(choices.sheets[0].source).shape == (8 * MOSAIC[0] + 1, 9 * MOSAIC[1] - 1)


def test_a_page_that_would_be_too_large_leaves_out_later_seeds(
    built: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "BYTES", 10_000)
    choices = picker(read(built[0]), SHOWN)
    assert {sheet.seed for sheet in choices.sheets} == {3} and choices.left_out == [7]


def test_the_page_holds_the_sheets_and_shows_the_first_without_scripts(built: tuple[Path, Path]) -> None:
    text = (built[0] / "report.html").read_text(encoding="utf-8")
    part = text[text.index('<div class="picker">') :]
    (listed,) = re.findall(r'<script type="application/json">(.*?)</script>', part)
    assert len(json.loads(listed)) == 15
    shown = re.findall(r"<figcaption>([^<]*)</figcaption><img", part[: part.index("<script")])
    assert shown == ["DDPM", "E-TSDM", "digits, 8 px"]
    assert 'href="figures/samples.png"' in part


def test_the_table_of_data_counts_the_images_of_each_class(built: tuple[Path, Path], tmp_path: Path) -> None:
    results = read(built[0])
    (path,) = results.inventory["data"]
    described = {"count": 5, "labels": [1, 0, 1, 1, 0], "classes": ["cat", "dog"], "digest": "d"}
    write_json(tmp_path / path / "dataset.json", described)
    table = data_table(replace(results, root=tmp_path), "data")
    assert list(table.full[["class", "class_images"]].itertuples(index=False, name=None)) == [("cat", 2), ("dog", 3)]
    assert table.display["By class"].iloc[0] == "cat: 2, dog: 3"
    write_json(tmp_path / path / "dataset.json", {"count": 40, "labels": [n // 2 for n in range(39)]})
    assert data_table(replace(results, root=tmp_path), "data").display["By class"].iloc[0] == "1 to 2"
    missing = data_table(replace(results, root=tmp_path / "nowhere"), "data")
    assert (missing.display["Images"].iloc[0], len(missing.full)) == ("NA", 1)


# ---------------------------------------------------------------- nearest training images


def test_the_nearest_images_are_those_of_the_nearest_features(tmp_path: Path) -> None:
    real = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    generated = real[[7, 3, 40]] + np.float32(1e-3)
    for name, features in (("real", real), ("generated", generated)):
        (tmp_path / name).mkdir()
        save_features(tmp_path / name / "features.npz", features, "d" * 64)
    neighbours = Neighbours()
    nearest = neighbours.nearest(tmp_path / "generated", tmp_path / "real", 3, 2)
    assert nearest is not None and nearest.shape == (3, 2) and list(nearest[:, 0]) == [7, 3, 40]
    every = np.linalg.norm(generated[:, None] - real, axis=2).argsort(axis=1)
    assert np.array_equal(nearest, every[:, :2])
    assert neighbours.nearest(tmp_path / "generated", tmp_path / "real", 4, 2) is None, "there are three"
    assert neighbours.nearest(tmp_path / "nowhere", tmp_path / "real", 3, 2) is None
    (tmp_path / "generated" / "features.npz").write_bytes(b"damaged")
    assert neighbours.nearest(tmp_path / "generated", tmp_path / "real", 3, 2) is None


def test_sheets_of_the_first_seed_show_the_nearest_training_images(tmp_path: Path) -> None:
    """Generated images that are training images: below each the same again."""
    config = configuration()
    config["experiments"] = {"comparison": config["experiments"]["comparison"]}
    report = write_results(tmp_path, config)
    results = read(report)
    (data,) = results.inventory["data"]
    features = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    for m in results.inventory["measurements"]:
        encoder = Path(m["file"]).parent.name
        for folder in (tmp_path / data / encoder, (tmp_path / m["file"]).parent):
            folder.mkdir(exist_ok=True)
            save_features(folder / "features.npz", features, "d" * 64)
        (tmp_path / m["run"] / "samples.zip").write_bytes((tmp_path / data / "images.zip").read_bytes())
    page_sheets = picker(results, SHOWN).sheets
    assert {sheet.seed for sheet in page_sheets if sheet.nearest} == {3}
    shown, near = pixels(page_sheets[0].source), pixels(page_sheets[0].nearest)
    assert near.shape == (9 * 8 - 1, shown.shape[1])
    assert np.array_equal(near[:8], shown[:8]) and np.array_equal(near[9:17], shown[:8])
    assert np.array_equal(near[36:44], shown[9:17]) and np.array_equal(near[45:53], shown[9:17])
