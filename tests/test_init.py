"""`etsdm init`: a first configuration that fits the pictures, the machine and the minutes."""

import zipfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from etsdm.cli import main
from etsdm.cost.estimate import estimate
from etsdm.cost.first import measure as measuring
from etsdm.cost.first.choose import Choice, choose, drafts
from etsdm.cost.first.machine import Machine
from etsdm.cost.first.rounding import step_below, two_digits
from etsdm.cost.first.words import expectations, reasons
from etsdm.cost.rates import Rates, Shape, Speed, given_rates, shape_of
from etsdm.cost.sizes import SIZES, SMALLEST_FOR_GPU
from etsdm.data.look import Pictures, survey
from etsdm.errors import UserError
from etsdm.plan.plan import Plan, make_plan

DIGITS = Pictures("folder", "digits", images=2_000, classes=10, side=28, is_grey=True)
PHOTOS = Pictures("folder", "photos", images=5_000, classes=0, side=200, is_grey=False)
LAPTOP = Machine("a laptop", 2, {8: Speed(800.0, 4e3), 16: Speed(300.0, 1e3)}, features=10.0)
SPEEDS = {8: Speed(2e4, 2e5), 16: Speed(2e4, 1e5), 32: Speed(7e3, 2e4)}
CARD = Machine("a GPU", 1, SPEEDS, features=2e3, has_gpu=True)


def plan_of(choice: Choice) -> Plan:
    """The plan of what would be written."""
    return make_plan(yaml.safe_load(choice.draft.text()), "test", look=False)


def save(folder: Path, count: int, side: int, *, grey: bool = True, classes: tuple[str, ...] = ("",)) -> Path:
    """Write PNGs of noise, in the folders of their classes."""
    generator = np.random.default_rng(0)
    for number in range(count):
        file = folder / classes[number % len(classes)] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (side, side + 3, *(() if grey else (3,))), np.uint8)
        Image.fromarray(pixels).save(file)
    return folder


# --------------------------------------------------------------------------------------------- what pictures are like


def test_a_folder_is_surveyed(tmp_path: Path) -> None:
    pictures = survey(save(tmp_path, 80, 12, classes=("a", "b")), 64)
    assert pictures == Pictures("folder", str(tmp_path), 80, 2, 12, True)


def test_one_picture_in_colour_is_seen_and_so_is_a_small_one(tmp_path: Path) -> None:
    save(tmp_path, 5, 12)
    save(tmp_path / "more", 1, 9, grey=False)
    pictures = survey(tmp_path, 64)
    assert (pictures.images, pictures.classes, pictures.side, pictures.is_grey) == (6, 0, 9, False)


def test_a_grey_jpeg_in_colour_is_grey(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 40, 1), np.uint8)
    Image.fromarray(grey.repeat(3, axis=2)).save(tmp_path / "one.jpg")
    assert survey(tmp_path, 64).is_grey


def test_a_zip_is_surveyed_where_it_is(tmp_path: Path) -> None:
    save(tmp_path / "pictures", 4, 10, classes=("a", "b"))
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in sorted((tmp_path / "pictures").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path / "pictures"))
    pictures = survey(tmp_path / "pictures.zip", 64)
    assert (pictures.source, pictures.images, pictures.classes, pictures.side) == ("zip", 4, 2, 10)


def test_pictures_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"one\.png: not a readable image"):
        survey(tmp_path, 64)


# ------------------------------------------------------------------------------------------------- what fits into time


@pytest.mark.parametrize(
    ("machine", "pictures", "minutes"),
    [
        *product([LAPTOP], [DIGITS, PHOTOS, DIGITS._replace(images=60), PHOTOS._replace(side=8)], [3, 60]),
        *product([CARD], [DIGITS, PHOTOS, PHOTOS._replace(images=500)], [3, 60]),
        (replace(LAPTOP, jobs=16), DIGITS, 10),
        (replace(LAPTOP, speeds={8: Speed(60.0, 400.0), 16: Speed(20.0, 90.0)}), DIGITS, 30),
    ],
)
def test_the_plan_of_what_is_written_fits_into_the_minutes(
    machine: Machine, pictures: Pictures, minutes: float
) -> None:
    choice = choose("mine", pictures, machine, minutes)
    plan = plan_of(choice)
    seconds = sum(row.seconds for row in estimate(plan, given_rates(plan)))
    assert seconds == pytest.approx(choice.seconds, rel=0.01)
    assert 0 < seconds <= 60 * minutes
    assert choose("mine", pictures, machine, minutes).draft.text() == choice.draft.text()
    assert all(len(line) <= 120 for line in choice.draft.text(*reasons(choice), *expectations(choice)).splitlines())


@pytest.mark.parametrize("draft", [*drafts("mine", PHOTOS, CARD)], ids=lambda draft: f"{draft.size.side}-{draft.seeds}")
def test_each_draft_is_a_configuration_for_its_size(draft: Any) -> None:
    plan = make_plan(draft.values(), "test", look=False)
    assert {shape_of(model) for model in plan.models.values()} == {Shape(3, draft.size.side)}
    assert len(plan.models) == draft.trainings
    assert (
        set(plan.config.experiments.by_name()) == {"lipschitz", "comparison", "fast-sampling"}
        if draft.is_scored
        else {"lipschitz"}
    )


def test_more_time_gives_larger_images_more_seeds_and_longer_trainings() -> None:
    few, more, most = (choose("mine", DIGITS, LAPTOP, minutes) for minutes in (2, 8, 60))
    assert (few.draft.size.side, few.draft.seeds) == (8, 1)
    assert (more.draft.size.side, more.draft.seeds) == (8, 3)
    assert (most.draft.size.side, most.draft.seeds) == (16, 3)
    assert most.is_enough and most.draft.samples == 500


def test_small_pictures_are_not_enlarged() -> None:
    assert choose("mine", DIGITS._replace(side=15), LAPTOP, 60).draft.size.side == 8
    with pytest.raises(UserError, match="a picture has 7 pixels a side; 8 are needed"):
        choose("mine", DIGITS._replace(side=7), LAPTOP, 60)


def test_trainings_end_where_pictures_have_been_seen_often() -> None:
    draft = choose("mine", DIGITS._replace(images=300), LAPTOP, 24 * 60).draft
    assert (draft.images, draft.passes) == (90_000, 300)


def test_too_few_minutes_say_how_many_are_needed() -> None:
    slow = replace(LAPTOP, speeds={8: Speed(10.0, 100.0), 16: Speed(3.0, 30.0)})
    with pytest.raises(UserError, match=r"1 minutes are too few; give --minutes (\d+)") as refused:
        choose("mine", DIGITS, slow, 1)
    assert choose("mine", DIGITS, slow, int(str(refused.value).split()[-1])).draft.images >= 1_000


@pytest.mark.parametrize("minutes", [1, 2])
def test_minutes_that_are_said_to_be_enough_are(minutes: int) -> None:
    """Both those for longer trainings and those for a second seed."""
    choice = choose("mine", DIGITS, LAPTOP, minutes)
    advice = [line.partition("--minutes ")[2].split()[0] for line in expectations(choice) if "--minutes" in line]
    assert advice
    better = choose("mine", DIGITS, LAPTOP, int(advice[-1]))
    assert better.is_enough and better.draft.seeds >= 2


# ---------------------------------------------------------------------------------------------------- what is measured


def test_labels_are_learned_by_a_classifier() -> None:
    choice = choose("mine", DIGITS, LAPTOP, 30)
    (encoder,) = plan_of(choice).config.evaluation.encoders
    assert encoder.name == "classifier"
    assert any("they are not FID" in line for line in reasons(choice))


def test_fid_is_measured_on_a_gpu_where_there_are_pictures_enough() -> None:
    evaluation = plan_of(choose("mine", PHOTOS, CARD, 60)).config.evaluation
    assert ([one.name for one in evaluation.encoders], evaluation.samples) == (["inception"], 2_500)
    assert evaluation.distances == ["frechet", "kernel"]
    evaluation = plan_of(choose("mine", PHOTOS._replace(images=2_000), CARD, 60)).config.evaluation
    assert ([one.name for one in evaluation.encoders], evaluation.distances) == (["inception"], ["kernel"])


def test_without_labels_and_gpu_k_alone_is_measured_where_features_take_too_long() -> None:
    few, many = (choose("mine", PHOTOS._replace(images=images), LAPTOP, 60) for images in (500, 200_000))
    assert few.draft.is_scored and not many.draft.is_scored
    assert [*plan_of(many).config.experiments.by_name()] == ["lipschitz"]
    assert any("K alone" in line for line in reasons(many))


def test_few_pictures_have_no_frechet_distance() -> None:
    choice = choose("mine", DIGITS._replace(images=60), LAPTOP, 30)
    assert plan_of(choice).config.evaluation.distances == ["kernel"]
    assert any("60 pictures are few" in line for line in expectations(choice))


def test_colour_is_mirrored_and_is_told_to_need_a_gpu() -> None:
    choice = choose("mine", PHOTOS, LAPTOP, 60)
    assert plan_of(choice).config.training.flip and plan_of(choice).config.datasets["mine"].channels == 3
    assert f"Those of {SMALLEST_FOR_GPU} px and more need a GPU." in " ".join(expectations(choice))
    assert choose("mine", PHOTOS, CARD, 60).draft.size.side == SMALLEST_FOR_GPU


def test_short_trainings_are_called_short() -> None:
    choice = choose("mine", DIGITS, LAPTOP, 1)
    assert not choice.is_enough
    assert next(expectations(choice)).startswith("Expect noise")


# ------------------------------------------------------------------------------------------------------------ measuring


def test_only_sizes_that_may_be_chosen_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def rates(plan: Plan, device: str, progress: bool) -> Rates:
        (shape,) = {shape_of(model) for model in plan.models.values()}
        measured.append((shape.resolution, plan.config.evaluation.encoders[0].name))
        return Rates("a device", {shape: Speed(777.0, 12_345.0)}, {})

    monkeypatch.setattr(measuring, "measure_rates", rates)
    machine = measuring.measure(PHOTOS._replace(classes=3), "cpu")
    assert measured == [(8, "classifier"), (16, "classifier")]
    assert machine.speeds == {8: Speed(600.0, 10_000.0), 16: Speed(600.0, 10_000.0)}
    assert machine.jobs >= 1 and not machine.has_gpu


def test_rates_and_lengths_are_round() -> None:
    assert [step_below(rate) for rate in (1.0, 1.99, 77.0, 0.0123, 999.9)] == [1.0, 1.5, 60.0, 0.01, 800.0]
    assert [two_digits(number) for number in (-3.0, 0.5, 7.9, 99.0, 12_999.0, 360_000.0)] == [
        0,
        0,
        7,
        99,
        12_000,
        360_000,
    ]


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is measured; the folder is the one that commands run in."""
    monkeypatch.setattr(measuring, "measure", lambda pictures, device: LAPTOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def test_what_is_written_passes_the_check(laptop: Path) -> None:
    save(laptop / "pictures", 90, 20, classes=("a", "b"))
    done = run("init", "pictures", "--minutes", "20")
    assert done.exit_code == 0, done.output
    assert "90 images, 64 of them opened, 23x20 pixels" in done.output
    assert done.output.endswith("config/mine.yaml: written; next: make reproduce CONFIG=config/mine.yaml\n")
    written = (laptop / "config" / "mine.yaml").read_text()
    assert "# Estimated: " in written
    checked = run("check", "config/mine.yaml")
    assert checked.exit_code == 0, checked.output
    planned = run("plan", "config/mine.yaml")
    assert "Hours of one device: a laptop, 2 jobs at a time." in planned.output
    (laptop / "config" / "mine.yaml").unlink()
    run("init", "pictures", "--minutes", "20")
    assert (laptop / "config" / "mine.yaml").read_text() == written


def test_a_file_that_is_there_stays(laptop: Path) -> None:
    save(laptop / "pictures", 3, 20)
    (laptop / "mine.yaml").write_text("mine")
    done = run("init", "pictures", "--out", "mine.yaml")
    assert done.exit_code == 2 and "mine.yaml: is there already" in done.output
    assert (laptop / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(("file", "name"), [("My Cats.yaml", "my-cats"), ("null.yaml", "null"), ("12.yaml", "12")])
def test_a_benchmark_is_named_like_its_file(laptop: Path, file: str, name: str) -> None:
    save(laptop / "a: 'b'", 70, 20, classes=("1", "2"))
    done = run("init", "a: 'b'", "--out", file)
    assert done.exit_code == 0, done.output
    assert yaml.safe_load((laptop / file).read_text())["name"] == name
    assert run("check", file).exit_code == 0


def test_a_damaged_picture_stops_it_with_its_name(laptop: Path) -> None:
    save(laptop / "pictures", 4, 20)
    (laptop / "pictures" / "9.png").write_bytes(b"nothing")
    done = run("init", "pictures")
    assert done.exit_code == 2 and "9.png: not a readable image" in done.output
    assert not (laptop / "config").exists()


def test_sizes_are_in_order_and_say_where_their_numbers_come_from() -> None:
    assert [size.side for size in SIZES] == sorted(size.side for size in SIZES)
    assert [size.enough for size in SIZES] == sorted(size.enough for size in SIZES)
    assert all(two_digits(size.enough) == size.enough and size.seen for size in SIZES)
