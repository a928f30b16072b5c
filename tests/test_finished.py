"""What a long stage has made is put back, checked, where a dead workflow takes it away."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from trained import model_spec, prepared_digits

from etsdm.cli import main
from etsdm.errors import AlreadyMade
from etsdm.metrics import features
from etsdm.runtime import finished
from etsdm.runtime.files import write_json
from etsdm.runtime.manifest import manifest


@pytest.fixture(autouse=True)
def every_stage_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "LONG", 0.0)


def stage(folder: Path, content: str = "made", **changed: Any) -> None:
    """Make out.txt from in.txt."""
    identity = {"spec": {"a": 1}, "code": "c0de"} | changed
    (folder / "progress").mkdir(exist_ok=True)
    out, input_file = folder / "out.txt", folder / "in.txt"
    input_file.touch()
    with manifest(folder / "manifest.json", [input_file], [out], progress=(folder / "progress",), **identity):
        out.write_text(content)


def take_away(folder: Path) -> None:
    """What Snakemake does before it runs a job again that it does not know to have ended."""
    for name in ("out.txt", "manifest.json"):
        (folder / name).unlink()


def test_what_was_made_is_put_back(tmp_path: Path) -> None:
    stage(tmp_path)
    manifest_bytes = (tmp_path / "manifest.json").read_bytes()
    take_away(tmp_path)
    with pytest.raises(AlreadyMade, match="put back"):
        stage(tmp_path, "made again")
    assert (tmp_path / "out.txt").read_text() == "made"
    assert (tmp_path / "manifest.json").read_bytes() == manifest_bytes
    assert not (tmp_path / ".manifest.attempts.jsonl").exists()


@pytest.mark.parametrize("changed", [{"spec": {"a": 2}}, {"code": "other"}, {"code": ""}])
def test_what_another_specification_or_code_made_is_not(tmp_path: Path, changed: dict[str, Any]) -> None:
    stage(tmp_path)
    take_away(tmp_path)
    stage(tmp_path, "made again", **changed)
    assert (tmp_path / "out.txt").read_text() == "made again"


def test_what_was_made_from_another_input_is_not(tmp_path: Path) -> None:
    stage(tmp_path)
    take_away(tmp_path)
    (tmp_path / "in.txt").write_text("changed")
    stage(tmp_path, "made again")
    assert (tmp_path / "out.txt").read_text() == "made again"


def test_what_is_damaged_is_not(tmp_path: Path) -> None:
    stage(tmp_path)
    take_away(tmp_path)
    (tmp_path / ".manifest.finished" / "out.txt").write_text("dirt")
    stage(tmp_path, "made again")
    assert (tmp_path / "out.txt").read_text() == "made again"


def test_a_short_stage_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "LONG", 60.0)
    stage(tmp_path)
    assert not (tmp_path / ".manifest.finished").exists()


def test_progress_stays_until_the_manifest_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("etsdm.runtime.manifest.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path)
    assert (tmp_path / "progress").exists()
    monkeypatch.undo()
    stage(tmp_path)
    assert not (tmp_path / "progress").exists()


def test_a_finished_training_does_not_start_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = model_spec("ddpm")
    write_json(tmp_path / "spec.json", spec | {"training": spec["training"] | {"images": 128}})
    train = ["train", "--spec", str(tmp_path / "spec.json"), "--data", str(prepared_digits())]
    assert CliRunner().invoke(main, train).exit_code == 0
    outputs = [tmp_path / name for name in ("weights.safetensors", "metrics.jsonl", "manifest.json")]
    contents = [file.read_bytes() for file in outputs]
    assert not (tmp_path / "state").exists()
    for file in outputs:
        file.unlink()
    monkeypatch.setattr("etsdm.training.train.train", None)  # not called
    again = CliRunner().invoke(main, train)
    assert again.exit_code == 0, again.output
    assert "put back" in again.output
    assert [file.read_bytes() for file in outputs] == contents


def test_images_that_were_read_are_kept_a_second_time_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else an archive that is removed would go on taking its room."""
    images, out = tmp_path / "samples.zip", tmp_path / "features.npz"
    (tmp_path / "weights").touch()
    images.write_bytes(bytes(finished.SMALL + 1))
    with manifest(tmp_path / "manifest.json", [tmp_path / "weights"], [images], code="c0de"):
        pass
    assert images.stat().st_nlink == 2
    monkeypatch.setattr(features, "extract_features", lambda *_, **__: out.touch() or {})
    options = ["--encoder", "classifier", "--weights", str(tmp_path / "weights"), "--images", str(images)]
    done = CliRunner().invoke(main, ["features", *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert images.stat().st_nlink == 1
