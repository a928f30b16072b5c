"""Preparing a data set in parts, by several processes, in several attempts: the same files come out."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from configs import write_config
from PIL import Image

from etsdm.cli import main
from etsdm.data import prepare as module
from etsdm.data.archive import read_images
from etsdm.data.prepare import prepare
from etsdm.data.sources.photos import read_photo
from etsdm.errors import Interrupted, UserError
from etsdm.runtime.files import write_json

COUNT = 60


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    """JPEGs of unlike sizes, in two classes."""
    photo = Image.fromarray(read_photo("coffee"))
    for number in range(COUNT):
        file = tmp_path / "photos" / ("even", "odd")[number % 2] / f"{number:02d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        photo.crop((5 * number, 3 * number, 5 * number + 90 + number, 3 * number + 80)).save(file)
    same = {"name": "mine", "source": "folder", "path": str(tmp_path / "photos")}
    return same | {"resolution": 64, "channels": 3, "resize": "lanczos"}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_VALUES", 7 * 64 * 64 * 3)


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.fixture
def whole(tmp_path: Path, spec: dict[str, Any]) -> dict[str, bytes]:
    """What one process makes at one go."""
    prepare(spec, tmp_path / "whole", progress=False)
    return files(tmp_path / "whole")


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_makes_the_same_bytes(
    tmp_path: Path, spec: dict[str, Any], whole: dict[str, bytes], workers: int
) -> None:
    prepare(spec, tmp_path / "out", progress=False, workers=workers)
    assert files(tmp_path / "out") == whole
    assert set(whole) == {"images.zip", "dataset.json", "images.digest"}


def test_the_size_of_parts_changes_no_byte(
    tmp_path: Path, spec: dict[str, Any], whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_VALUES", 1)
    prepare(spec, tmp_path / "out", progress=False)
    assert files(tmp_path / "out") == whole


class Stop:
    """Asks to stop after this many questions."""

    def __init__(self, questions: int) -> None:
        self.questions = questions

    def __call__(self, minutes: float) -> "Stop":
        return self

    def __enter__(self) -> "Stop":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def requested(self) -> bool:
        self.questions -= 1
        return self.questions < 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("questions", [1, 5, 12])
def test_a_preparation_that_is_stopped_goes_on_where_it_was(
    tmp_path: Path,
    spec: dict[str, Any],
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: int,
    questions: int,
) -> None:
    """The last of these is stopped while it packs. Several processes drop pieces that none of them has begun."""
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="the same command goes on"):
        patch.setattr(module, "StopRequest", Stop(questions))
        prepare(spec, tmp_path / "out", progress=False, workers=workers)
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npy")}
    waiting = 2 * workers if workers > 1 else 0
    assert min(questions, 9) - waiting <= len(parts) <= min(questions, 9)
    assert not (tmp_path / "out" / "images.zip").exists()
    prepare(spec, tmp_path / "out", progress=False, workers=workers)
    assert f"going on after {len(parts)} of 9 parts" in capsys.readouterr().err or not parts
    assert files(tmp_path / "out") == whole


def test_parts_of_another_size_or_of_other_files_are_not_taken_up(
    tmp_path: Path, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(module, "StopRequest", Stop(5))
        prepare(spec, tmp_path / "out", progress=False)
    first = sorted(Path(spec["path"]).rglob("*.jpg"))[0]
    Image.new("RGB", (64, 64), "red").save(first)
    described = prepare(spec, tmp_path / "out", progress=False)
    assert np.abs(read_images(tmp_path / "out" / "images.zip", 1)[0] - np.array([254, 0, 0])).max() <= 1
    prepare(spec, tmp_path / "fresh", progress=False)
    assert files(tmp_path / "out") == files(tmp_path / "fresh")
    assert described["count"] == COUNT


def test_the_share_of_black_and_white_is_counted(tmp_path: Path, spec: dict[str, Any]) -> None:
    for file in Path(spec["path"]).rglob("0*.jpg"):
        Image.new("RGB", (64, 64), "white").save(file)
    share = prepare(spec, tmp_path / "out", progress=False, workers=2)["saturated"]
    assert share == np.isin(read_images(tmp_path / "out" / "images.zip"), (0, 255)).mean() > 10 / COUNT
    assert "saturated" not in (tmp_path / "out" / "dataset.json").read_text(), "trainings watch it"


def command(spec: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "etsdm", "prepare", "--spec", str(spec), "--out", str(out), "--workers", "2"]


@pytest.mark.slow
def test_a_preparation_killed_at_any_moment_ends_with_the_same_bytes(tmp_path: Path, spec: dict[str, Any]) -> None:
    """32 parts of an image each at the real size of parts."""
    spec |= {"resolution": 1024}
    for file in Path(spec["path"]).rglob("*.jpg"):
        if int(file.stem) < 32:
            Image.open(file).resize((1100, 1024)).save(file)
        else:
            file.unlink()
    write_json(tmp_path / "spec.json", spec)
    subprocess.run(command(tmp_path / "spec.json", tmp_path / "whole"), check=True)
    moments, killed = random.Random(0), 0
    for _ in range(5):
        with subprocess.Popen(command(tmp_path / "spec.json", tmp_path / "out"), start_new_session=True) as process:
            try:
                process.wait(moments.uniform(0.5, 4))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
    subprocess.run(command(tmp_path / "spec.json", tmp_path / "out"), check=True)
    for name in ("images.zip", "dataset.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [path.name for path in (tmp_path / "out").glob(".*")] == [".manifest.finished"]
    assert killed


def test_sigterm_keeps_what_is_done_and_leaves_with_exit_code_75(tmp_path: Path, spec: dict[str, Any]) -> None:
    spec |= {"resize": "box", "resolution": 8}
    write_json(tmp_path / "spec.json", spec)
    code = (
        "import sys, time; from etsdm.data import prepare, images; prepare.PART_VALUES = 1; plain = images.decode\n"
        "def slow(spec, item):\n    time.sleep(0.2)\n    return plain(spec, item)\n"
        "images.decode = slow\n"
        "from etsdm.cli import main; main(sys.argv[1:])"
    )
    arguments = [*command(tmp_path / "spec.json", tmp_path / "out")[3:-1], "1"]
    with subprocess.Popen([sys.executable, "-c", code, *arguments]) as process:
        while not list((tmp_path / "out").rglob("*.npy")):
            time.sleep(0.05)
        process.terminate()
        assert process.wait() == os.EX_TEMPFAIL
    assert list((tmp_path / "out").rglob("*.npy"))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_bad_image_is_named_at_once(tmp_path: Path, spec: dict[str, Any], workers: int) -> None:
    paths = sorted(Path(spec["path"]).rglob("*.jpg"))
    for path in paths[3:40:9]:
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError) as caught:
        prepare(spec, tmp_path / "out", progress=False, workers=workers)
    lines = str(caught.value).splitlines()
    assert [line.partition(": not a readable image")[0] for line in lines] == [str(path) for path in paths[3:40:9]]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_remarks_on_images_are_told_once_with_examples(
    tmp_path: Path, spec: dict[str, Any], capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    paths = sorted(Path(spec["path"]).rglob("*.jpg"))
    for path in paths[::10]:
        Image.open(path).save(path, exif=b"Exif\0\0garbage-garbage")
    prepare(spec, tmp_path / "out", progress=False, workers=workers)
    examples = ", ".join(str(path) for path in paths[::10][:5])
    remark = f"etsdm: mine: taken as they lie, because their EXIF data are broken: 6 ({examples}, ...)\n"
    assert capsys.readouterr().err == remark


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_images_are_left_out_where_that_is_allowed(
    tmp_path: Path, spec: dict[str, Any], capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    """A whole part among them, and across an interruption: images and labels are those of a folder without them."""
    paths = sorted(Path(spec["path"]).rglob("*.jpg"))
    bad = [*paths[7:14], paths[41]]
    for path in bad:
        path.write_bytes(path.read_bytes()[:500])
    spec |= {"skip_damaged": 8}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(module, "StopRequest", Stop(4))
        prepare(spec, tmp_path / "out", progress=False)
    described = prepare(spec, tmp_path / "out", progress=False, workers=workers)
    stderr = capsys.readouterr().err
    assert "etsdm: mine: left out 8 damaged images of 60:" in stderr
    assert [line.partition(": not")[0] for line in described["damaged"]] == [str(path) for path in bad]
    assert all(line in stderr for line in described["damaged"])
    with pytest.raises(UserError, match=r"14\.jpg: not a readable(.|\n)*skip_damaged: 7 images may be left out"):
        prepare(spec | {"skip_damaged": 7}, tmp_path / "fewer", progress=False)
    for path in bad:
        path.unlink()
    prepare(spec, tmp_path / "without", progress=False)
    assert files(tmp_path / "out") == files(tmp_path / "without")


def checked(tmp_path: Path, spec: dict[str, Any], *options: str) -> Result:
    settings = {key: value for key, value in spec.items() if key != "name"}
    write_config(tmp_path / "config.yaml", datasets={"mine": settings}, experiments=ON_MINE)
    return CliRunner().invoke(main, ["check", str(tmp_path / "config.yaml"), *options])


ON_MINE = {"lipschitz": {"datasets": ["mine"], "methods": ["ddpm"], "images": 8}}


def test_a_check_opens_images_and_says_what_is_there(tmp_path: Path, spec: dict[str, Any]) -> None:
    """Of 66 images 64 are opened: the last, and all but two others. All of them are opened where that is asked for."""
    folder = Path(spec["path"])
    for i in range(6):
        (folder / "odd" / f"99-{i}.jpg").write_bytes((folder / "odd" / "01.jpg").read_bytes())
    (folder / "odd" / "notes.txt").touch()
    done = checked(tmp_path, spec)
    assert done.exit_code == 0, done.output
    assert f"mine: passed over in {str(folder)!r}: 1 '.txt'; images are " in done.output
    assert "mine: 66 images, 64 of them opened, 90x80 to 149x80 pixels\n" in done.output
    assert "mine: 2 classes: even 30, odd 36\n" in done.output
    (folder / "odd" / "99-5.jpg").write_text("hello")
    done = checked(tmp_path, spec)
    assert done.exit_code == 2
    assert "99-5.jpg: not a readable image" in done.output and "fine" not in done.output
    assert checked(tmp_path, spec | {"skip_damaged": 1}, "--all").exit_code == 0
    (folder / "even" / "00.jpg").write_text("hello")
    assert checked(tmp_path, spec | {"skip_damaged": 1}, "--all").exit_code == 2


def test_a_preparation_gives_up_after_so_many_bad_images(
    tmp_path: Path, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in Path(spec["path"]).rglob("*.jpg"):
        path.write_text("hello")
    monkeypatch.setattr(module, "MOST_ERRORS", 10)
    with pytest.raises(UserError) as caught:
        prepare(spec, tmp_path / "out", progress=False)
    *named, end = str(caught.value).splitlines()
    assert len(named) == 10
    assert end == "and perhaps more"


def test_the_command_draws_progress_and_says_what_it_made(tmp_path: Path, spec: dict[str, Any]) -> None:
    write_json(tmp_path / "spec.json", spec)
    arguments = command(tmp_path / "spec.json", tmp_path / "out")[3:]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert "decode: 100%" in done.output
    assert "pack: 100%" in done.output
