"""A damaged file is noticed by every command that reads it, set aside, and made again or put back."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from configs import tiny
from hand_made import write_results
from trained import model_spec

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.runtime import digests, finished, intact
from etsdm.runtime.files import read_json, sha256, write_json
from etsdm.runtime.manifest import manifest


def flip_a_bit(file: Path) -> None:
    """Damage a file in place, as a failing disk does."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    with file.open("r+b") as open_file:
        open_file.write(content)


def write_with_manifest(
    file: Path, spec: Any = None, inputs: tuple[Path, ...] = (), result: dict[str, Any] | None = None
) -> Path:
    """A file with its manifest; one with inputs is the result of a short stage, of which nothing is kept."""
    own = file.with_name(f"{file.stem}.manifest.json" if file.suffix in (".npz", ".csv") else "manifest.json")
    with manifest(own, list(inputs), [file], spec) as record:
        file.write_text(f"content of {file.name}")
        record.update(result or {})
    return file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source.txt").touch()
    return tmp_path / "source.txt"


TRAINING = {"training": {"images": 10}}


# ---------------------------------------------------------------- reading


COMMANDS = {
    "train": ("--spec MODEL --data images.zip --out t", ["images.zip"]),
    "encoder": ("--spec CLASSIFIER --data images.zip --out e/w.pt", ["images.zip", "dataset.json"]),
    "sample": ("--weights w.safetensors --out s/s.png", ["w.safetensors"]),
    "export": ("--weights w.safetensors --out e", ["w.safetensors"]),
    "features": (
        "--encoder classifier --weights w.safetensors --images images.zip --out f/f.npz",
        ["w.safetensors", "images.zip"],
    ),
    "reference": ("--features a.npz --encoder classifier --out r/r.npz", ["a.npz"]),
    "score": (
        "--samples a.npz --reference b.npz --summary c.npz --encoder classifier --out s/s.json",
        ["a.npz", "b.npz", "c.npz"],
    ),
    "restore": (
        "--weights w.safetensors --images images.zip --spec RESTORATION --out r",
        ["w.safetensors", "images.zip"],
    ),
    "compare": ("--restored a.zip --truth images.zip --out c/c.json", ["a.zip", "images.zip"]),
    "probe": ("--weights w.safetensors --data images.zip --out p/k.json", ["w.safetensors", "images.zip"]),
}
SPECS = {
    "MODEL": model_spec("ddpm"),
    "RESTORATION": {
        "solver": {"name": "ddim", "nfe": 5},
        "test": {"name": "test", "resolution": 8, "channels": 1},
        "seed": 0,
    },
    "CLASSIFIER": {"name": "classifier", "width": 4, "epochs": 1, "batch": 64, "learning_rate": 1e-3},
}
"""The specification that each word stands for."""


@pytest.mark.parametrize(
    ("command", "damaged"), [(command, file) for command, (_, files) in COMMANDS.items() for file in files]
)
def test_every_command_refuses_a_damaged_input(
    command: str, damaged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in COMMANDS[command][1]:
        Path(name).write_text(f"content of {name}")
    right = sha256(Path(damaged))
    write_json(Path("x.manifest.json"), {"outputs": {damaged: right}, "spec": None})
    flip_a_bit(Path(damaged))
    wrong = sha256(Path(damaged))
    words = [json.dumps(SPECS[word]) if word in SPECS else word for word in COMMANDS[command][0].split()]
    done = CliRunner().invoke(main, [command, *words])
    assert done.exit_code == 2, done.output
    assert f"{damaged}: damaged: its SHA-256 is {wrong}, and x.manifest.json says {right}." in done.output
    assert f"It is now {damaged}.damaged. The same workflow command makes it again." in done.output
    assert not Path(damaged).exists()
    assert sha256(Path(f"{damaged}.damaged")) == wrong
    again = CliRunner().invoke(main, [command, *words])
    assert again.exit_code != 0


def test_a_file_that_was_set_aside_is_not_just_missing(tmp_path: Path) -> None:
    (tmp_path / "a.npz.damaged").touch()
    done = CliRunner().invoke(
        main, ["reference", "--features", f"{tmp_path}/a.npz", "--encoder", "classifier", "--out", f"{tmp_path}/r.npz"]
    )
    assert done.exit_code == 2
    assert "etsdm: error: " in done.output
    assert "a.npz: was damaged, and is now a.npz.damaged" in done.output


def test_a_file_that_another_process_has_set_aside_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.npz.damaged").touch()
    with pytest.raises(UserError, match=r"a\.npz: was damaged, and is now a\.npz\.damaged"):
        write_with_manifest(tmp_path / "scores.json", inputs=(tmp_path / "a.npz",))
    assert not intact.is_whole(tmp_path / "a.npz")


def test_a_file_that_no_manifest_lists_is_taken_as_it_is(tmp_path: Path) -> None:
    write_with_manifest(tmp_path / "weights.safetensors")
    write_json(tmp_path / "other.manifest.json", ["somebody else's"])
    (tmp_path / "mine.safetensors").write_text("mine")
    assert intact.checked(tmp_path / "mine.safetensors") == sha256(tmp_path / "mine.safetensors")


def test_a_manifest_that_cannot_be_read_is_damaged_too(tmp_path: Path, source: Path) -> None:
    file = write_with_manifest(tmp_path / "samples.zip", inputs=(source,))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json: damaged: it is no JSON\. It is now manifest\.json\.damaged"):
        intact.checked(file)
    assert file.exists()
    assert (tmp_path / "manifest.json.damaged").exists()


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path, source: Path) -> None:
    for _ in range(3):
        flip_a_bit(write_with_manifest(tmp_path / "samples.zip", inputs=(source,)))
        assert not intact.is_whole(tmp_path / "samples.zip")
    names = {path.name for path in tmp_path.glob("samples.zip*")}
    assert names == {"samples.zip.damaged", "samples.zip.damaged.1", "samples.zip.damaged.2"}


def test_inputs_are_hashed_once(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr("etsdm.runtime.digests.sha256", lambda file: hashed.append(file) or "0" * 64)
    write_with_manifest(tmp_path / "samples.zip", inputs=(source,))
    assert hashed.count(source) == 1
    assert read_json(tmp_path / "manifest.json")["inputs"] == {source.name: "0" * 64}


# ---------------------------------------------------------------- large files


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(digests, "LARGE", 0)
    (tmp_path / "images.zip").write_text("images")
    return tmp_path / "images.zip"


def test_a_large_file_is_hashed_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digests.remembered(large)
    assert first == sha256(large)
    monkeypatch.setattr(digests, "sha256", lambda file: pytest.fail(f"{file} is hashed again"))
    assert digests.remembered(large) == first


def test_a_large_file_that_has_changed_is_hashed_again(large: Path) -> None:
    digests.remembered(large)
    large.with_name("new").write_text("others")
    large.with_name("new").replace(large)
    assert digests.remembered(large) == sha256(large)


@pytest.mark.parametrize("note", ["", "nonsense", "1 2 3 4 5"])
def test_a_damaged_note_is_not_believed(note: str, large: Path) -> None:
    large.with_name(".images.zip.sha256").write_text(note)
    assert digests.remembered(large) == sha256(large)


def test_where_nothing_can_be_written_nothing_is_remembered(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    assert digests.remembered(large) == sha256(large)


# ---------------------------------------------------------------- what was kept


def test_a_damaged_file_that_was_kept_is_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_with_manifest(tmp_path / "dataset.json")  # a stage without inputs is kept, and a small file as a copy
    flip_a_bit(file)
    assert intact.checked(file) == sha256(file)
    assert file.read_text() == "content of dataset.json"
    assert "A whole one was kept, and is put back" in capsys.readouterr().err


def test_a_damaged_manifest_that_was_kept_is_put_back(tmp_path: Path) -> None:
    file = write_with_manifest(tmp_path / "dataset.json")
    content = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_text("{")
    assert intact.checked(file) == sha256(file)
    assert (tmp_path / "manifest.json").read_bytes() == content


def look(*networks: Path, data: tuple[Path, ...] = ()) -> None:
    if problems := intact.before_a_workflow(networks, data, networks):
        raise UserError("\n".join(problems))


def network(folder: Path, monkeypatch: pytest.MonkeyPatch, kept: bool = True, small: int = 2**20) -> list[Path]:
    """The files of a training that took an hour in all its attempts."""
    monkeypatch.setattr(finished, "LONG", 60 if kept else 10_000)
    monkeypatch.setattr(finished, "SMALL", small)
    files = [folder / name for name in ("weights.safetensors", "metrics.jsonl", "snapshot-5-ema5.safetensors")]
    (folder / "in.txt").touch()
    with manifest(folder / "manifest.json", [folder / "in.txt"], files, TRAINING, code="c0de") as record:
        for file in files:
            file.write_text(f"content of {file.name}")
        record["seconds"] = 3600
    return [*files, folder / "manifest.json"]


@pytest.mark.parametrize("lost", range(4))
@pytest.mark.parametrize("small", [0, 2**20], ids=["links", "copies"])
def test_what_was_lost_of_a_long_stage_is_put_back(
    lost: int, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = network(tmp_path, monkeypatch, small=small)[lost]
    before, content = file.stat().st_mtime_ns, file.read_bytes()
    file.unlink()
    look(tmp_path)
    assert file.read_bytes() == content
    assert file.stat().st_mtime_ns == before  # or Snakemake would make again what follows


def test_what_a_workflow_took_away_is_not_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has reasons, other code, say, and leaves the snapshots alone."""
    weights, metrics, snapshot, manifest_file = network(tmp_path, monkeypatch)
    for file in (weights, metrics, manifest_file):
        file.unlink()
    look(tmp_path)
    assert snapshot.exists()
    assert not weights.exists()


def test_what_was_kept_is_not_mixed_with_another_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, metrics, *_, manifest_file = network(tmp_path, monkeypatch)
    manifest_file.unlink()
    weights.write_text("of another training")
    metrics.unlink()
    look(tmp_path)
    assert not metrics.exists()


# ---------------------------------------------------------------- trained networks


def damage_later(file: Path) -> None:
    flip_a_bit(file)
    later = file.with_name("manifest.json").stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later, later))


def test_a_damaged_network_is_not_trained_again_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, *_, manifest_file = network(tmp_path, monkeypatch, kept=False)
    damage_later(weights)
    for words in ("damaged: its SHA-256 is", "was damaged"):  # the second time, too
        with pytest.raises(UserError, match=words) as error:
            look(tmp_path)
        assert f"Put a whole copy back, or give `etsdm redo {weights}`" in str(error.value)
        assert "which took 3,600 s" in str(error.value)
    assert manifest_file.exists()
    done = CliRunner().invoke(main, ["redo", str(weights)])
    assert done.exit_code == 0, done.output
    assert not manifest_file.exists()  # so the workflow makes it again
    assert weights.with_name("weights.safetensors.damaged.1").exists()
    look(tmp_path)


def test_a_whole_copy_may_be_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = network(tmp_path, monkeypatch, kept=False)[0]
    damage_later(weights)
    with pytest.raises(UserError):
        look(tmp_path)
    weights.write_text("content of weights.safetensors")
    look(tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "manifest.json"])
def test_what_lies_beside_a_network_does_not_train_it_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network(tmp_path, monkeypatch, kept=False)
    (tmp_path / name).rename(tmp_path / f"{name}.damaged")
    with pytest.raises(UserError, match="etsdm redo"):
        look(tmp_path)


def test_a_network_that_is_not_damaged_can_be_made_again_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, *_, manifest_file = network(tmp_path, monkeypatch)
    intact.redo(weights)
    assert not manifest_file.exists()
    look(tmp_path)
    assert not manifest_file.exists()  # what was kept is forgotten


def test_what_no_manifest_knows_cannot_be_made_again(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").touch()
    done = CliRunner().invoke(main, ["redo", str(tmp_path / "mine.pt")])
    assert done.exit_code == 2
    assert "no manifest beside it says how it was made" in done.output


def test_a_damaged_description_is_noticed_before_a_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_with_manifest(tmp_path / "dataset.json")
    finished.forget(tmp_path / "manifest.json")
    flip_a_bit(file)
    with pytest.raises(UserError, match=r"dataset\.json: damaged.*The same workflow command makes it again"):
        look(data=(tmp_path,))


# ---------------------------------------------------------------- the report


def listed(file: Path) -> None:
    """Give a hand-made file the manifest that its stage would have written."""
    own = file.with_name("scores.manifest.json" if file.name == "scores.json" else "manifest.json")
    record = read_json(own) if own.exists() else {}
    write_json(own, record | {"outputs": {file.name: sha256(file)}})


def change_a_digit(file: Path) -> None:
    """A file that can be read, and holds another value."""
    text = file.read_text()
    place = next(i for i, letter in reversed(list(enumerate(text))) if letter.isdigit())
    file.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])


@pytest.mark.parametrize("damage", [flip_a_bit, change_a_digit, lambda file: file.write_text("{")])
@pytest.mark.parametrize("kind", ["scores.json", "result.json"])
def test_a_damaged_value_is_na_with_its_reason(kind: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    report = write_results(tmp_path, tiny())
    file = next(path for path in sorted(tmp_path.rglob(kind)) if "theory" not in path.parts)
    listed(file)
    damage(file)
    done = CliRunner().invoke(main, ["rows", "--inventory", f"{report}/inventory.json", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(report / "rows.csv")
    its = rows["file"] == str(file.relative_to(tmp_path))
    assert its.any()
    assert rows["value"].isna().equals(its)
    assert rows.loc[its, "reason"].str.contains(f"{kind}: was damaged, and is now {kind}.damaged").all()


def test_damaged_curves_and_manifests_leave_the_report_alive(tmp_path: Path) -> None:
    report = write_results(tmp_path, tiny())
    model = next(iter(read_json(report / "inventory.json")["models"]))
    listed(tmp_path / model / "metrics.jsonl")
    (tmp_path / model / "metrics.jsonl").write_text("{")
    for file in tmp_path.glob("samples/**/manifest.json"):
        file.write_text("{")
        break
    for stage in ("rows", "tables", "figure", "page"):
        done = CliRunner().invoke(main, [stage, "--inventory", f"{report}/inventory.json", "--results", str(tmp_path)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / model / "metrics.jsonl.damaged").exists()


def test_damaged_rows_are_noticed_by_what_is_made_from_them(tmp_path: Path) -> None:
    report = write_results(tmp_path, tiny())
    options = ["--inventory", f"{report}/inventory.json", "--results", str(tmp_path)]
    assert CliRunner().invoke(main, ["rows", *options]).exit_code == 0
    change_a_digit(report / "rows.csv")
    done = CliRunner().invoke(main, ["tables", *options])
    assert done.exit_code == 2
    assert "rows.csv: damaged" in done.output
    assert json.loads((report / "rows.manifest.json").read_text())["outputs"].keys() == {"rows.csv", "losses.csv"}
