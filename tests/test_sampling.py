"""Image i is a function of (weights, solver settings, seed, i), and the evaluations are those asked for."""

from functools import partial

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from configs import tiny
from PIL import Image
from shared import shared
from trained import LONGER, prepared_digits, write_weights
from typed import sample, train

from etsdm.cli import main
from etsdm.data.archive import read_images
from etsdm.data.mosaic import mosaic
from etsdm.data.pixels import to_pixels
from etsdm.errors import UserError
from etsdm.models.unet import UNet
from etsdm.plan.plan import make_plan
from etsdm.plan.reading import parse_solver
from etsdm.runtime.files import read_json
from etsdm.solvers import SOLVERS

DIFFERENT_BATCH_TOLERANCE = 0.05
"""Mean absolute difference in grey levels, of 255, when batches of another shape take another path through a device."""


def spec(name="ddim", nfe=5, count=8, seed=0, **settings):
    return {"solver": parse_solver({"name": name, "nfe": [nfe], **settings}).model_dump() | {"nfe": nfe}} | {
        "samples": count,
        "seed": seed,
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors")


def images(weights, folder, values, **settings):
    sample(weights, values, folder / "s.zip", progress=False, **settings)
    return read_images(folder / "s.zip")


@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpm-solver-3", "dpm-solver++-2m"])
def test_an_image_does_not_depend_on_how_many_are_made(weights, tmp_path, name):
    some = images(weights, tmp_path, spec(name, count=5), batch=4)
    more = images(weights, tmp_path, spec(name, count=11), batch=4)
    assert some.shape == (5, 8, 8, 1)
    assert np.array_equal(some, more[:5])


def test_the_share_of_black_and_white_is_counted(weights, tmp_path):
    summary = sample(weights, spec(count=11), tmp_path / "s.zip", batch=4, progress=False)
    drawn = read_images(tmp_path / "s.zip")
    assert summary["saturated"] == np.isin(drawn, (0, 255)).mean() > 0


@pytest.mark.parametrize("name", ["ancestral", "ddim"])
def test_an_image_hardly_depends_on_the_batch_it_is_made_in(weights, tmp_path, name):
    reference = images(weights, tmp_path, spec(name), batch=8).astype(int)
    for batch in (1, 3, 5):
        other = images(weights, tmp_path, spec(name), batch=batch).astype(int)
        assert np.abs(other - reference).mean() <= DIFFERENT_BATCH_TOLERANCE


def test_a_compiled_network_draws_the_same_images(weights, tmp_path, monkeypatch):
    """As torch.compile traces it; the code that it would write needs a C compiler, and moves the last bits."""
    reference = images(weights, tmp_path, spec()).astype(int)
    traced = []

    def compile_by_tracing(network):
        traced.append(network)
        torch.nn.Module.compile(network, backend="eager", fullgraph=True)

    monkeypatch.setattr(UNet, "compile", compile_by_tracing)
    compiled = images(weights, tmp_path, spec(), compiled=True).astype(int)
    assert len(traced) == 1
    assert np.abs(compiled - reference).mean() <= DIFFERENT_BATCH_TOLERANCE


def test_the_archive_is_the_same_to_the_byte_and_the_seed_matters(weights, tmp_path):
    for name, values in (("a", spec("ancestral")), ("b", spec("ancestral")), ("c", spec("ancestral", seed=1))):
        sample(weights, values, tmp_path / name, progress=False)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("name", SOLVERS.names())
@pytest.mark.parametrize("nfe", [5, 12])
def test_every_solver_spends_what_was_asked(weights, tmp_path, name, nfe):
    assert sample(weights, spec(name, nfe, count=2), tmp_path / "s.zip", progress=False)["nfe"] == nfe


def test_methods_start_from_the_same_noise(tmp_path):
    """The same weights under both methods, sampled above t_tilde only, give the same images."""
    archives = [
        images(write_weights(tmp_path / method, method), tmp_path, spec("dpm-solver-1", nfe=1))
        for method in ("ddpm", "etsdm")
    ]
    assert np.array_equal(*archives)


def test_the_shared_condition_reaches_the_solver(tmp_path):
    """Below t_tilde the same weights are told another time, so the images differ."""
    archives = [
        images(write_weights(tmp_path / method, method), tmp_path, spec("ddim", nfe=50)) for method in ("ddpm", "etsdm")
    ]
    assert not np.array_equal(*archives)


def test_pixels_are_rounded_and_clipped():
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 1.5]).view(1, 1, 1, 5)
    assert to_pixels(x).ravel().tolist() == [0, 0, 128, 255, 255]


def test_weights_that_are_none_are_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"not weights")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        sample(tmp_path / "w", spec(), tmp_path / "s.zip", progress=False)
    assert not (tmp_path / "s.zip").exists()


def test_a_person_can_sample_in_one_line(weights, tmp_path):
    out = tmp_path / "mine.zip"
    arguments = ["sample", "--weights", str(weights), "--solver", "dpm-solver-3", "--nfe", "6", "-n", "3"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert len(read_images(out)) == 3
    assert read_json(tmp_path / "mine.manifest.json")["result"]["nfe"] == 6


def test_a_picture_shows_the_images_of_the_archive(weights, tmp_path):
    """7 images in 3 rows of 3; 8 px become 64 px, and lines of 4 px stand between."""
    grid, archive = tmp_path / "grid.png", tmp_path / "s.zip"
    for out in (grid, archive):
        done = CliRunner().invoke(
            main, ["sample", "--weights", str(weights), "--nfe", "2", "-n", "7", "--out", str(out)]
        )
        assert done.exit_code == 0, done.output
        assert f"{out}: 7 images by ddim, 2 evaluations each" in done.output
    with Image.open(grid) as picture:
        sheet = np.asarray(picture)
    assert sheet.shape == (200, 200)
    for i, image in enumerate(read_images(archive)):
        y, x = 68 * (i // 3), 68 * (i % 3)
        assert np.array_equal(sheet[y : y + 64, x : x + 64], np.kron(image[..., 0], np.ones((8, 8), np.uint8)))
    assert (sheet[136:, 68:] == 255).all() and (sheet[64:68] == 255).all()
    assert not [*tmp_path.glob(".*")]


def test_mosaic_places_images_row_by_row():
    pixels = np.arange(1, 7, dtype=np.uint8)[:, None, None, None] * np.ones((6, 4, 4, 1), np.uint8)
    sheet = mosaic(pixels, 2, 3)
    assert sheet.shape == (9, 14, 1)
    assert [[int(sheet[y, x, 0]) for x in (0, 5, 10)] for y in (0, 5)] == [[1, 2, 3], [4, 5, 6]]
    assert sheet[4, 0, 0] == sheet[0, 4, 0] == 255


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--solver", "dimm"], "unknown solver 'dimm'"),
        (["--solver", "dpm-solver-3", "--nfe", "2"], "nfe = 2 is too few"),
        (["--solver", "ddim", "--nfe", "1001"], "nfe = 1001 of ddim is more than the 1000 timesteps"),
        (["--solver", "ddim", "--spec", "{}"], "give either --spec or --solver"),
        (["--out", "grid.gif"], "grid.gif: must end in .png"),
        (["--solver", "ddim", "--device", "abacus"], "device 'abacus' cannot be used here"),
    ],
)
def test_wrong_settings_are_one_message_and_exit_code_2(weights, tmp_path, arguments, message):
    out = tmp_path / "s.zip"
    done = CliRunner().invoke(main, ["sample", "--weights", str(weights), "--out", str(out), *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert not out.exists()


def test_the_images_are_not_saturated(weights, tmp_path):
    """What the tests above compare has grey levels to differ in."""
    assert len(np.unique(images(weights, tmp_path, spec("ddim", nfe=20)))) > 100


@pytest.fixture(scope="module")
def cosine_weights():
    """Of a network trained on the digits for seconds, under the cosine schedule."""
    plan = make_plan(tiny(**LONGER, **{"diffusion.schedule": "cosine"}), "test")
    spec = next(run.spec for run in plan.models.values() if run.spec["method"]["name"] == "ddpm")
    train_cosine = partial(train, spec, prepared_digits(), device="cpu", progress=False)
    return shared("cosine", train_cosine) / "weights.safetensors"


def shades(pixels):
    """The part of values that are neither black nor white."""
    return ((pixels > 0) & (pixels < 255)).mean()


@pytest.mark.parametrize("grid", ["uniform", "log-snr"])
@pytest.mark.parametrize("name", SOLVERS.names())
def test_under_a_cosine_schedule_each_solver_draws_no_saturated_noise(cosine_weights, tmp_path, name, grid, capsys):
    """Of the digits' own values 42 % are neither; without clipping nearly none is, and that is said."""
    settings = {"name": name, "nfe": 20, "count": 16, "grid": grid}
    clipped = images(cosine_weights, tmp_path, spec(**settings, clip_x0="auto"), device="cpu")
    assert shades(clipped) > 0.4 and (clipped == 255).mean() < 0.2
    assert "not clipped" not in capsys.readouterr().err
    assert shades(images(cosine_weights, tmp_path, spec(**settings, clip_x0=False), device="cpu")) < 0.1
    assert "x_0 is not clipped, and sampling starts at lambda = -9.9" in capsys.readouterr().err


def test_a_later_start_needs_no_clipping(cosine_weights, tmp_path, capsys):
    """At lambda = -5.1 an x_0 from predicted noise means something, as it does under the linear schedule."""
    settings = {"nfe": 20, "count": 16, "grid": "log-snr", "lambda_start": -5.1}
    auto, never = (images(cosine_weights, tmp_path, spec(**settings, clip_x0=c), device="cpu") for c in ("auto", False))
    assert np.array_equal(auto, never)
    assert "not clipped" not in capsys.readouterr().err


def test_a_person_can_ask_for_a_later_start(cosine_weights, tmp_path):
    image_sets = []
    for extra in ([], ["--lambda-start", "-5.1"]):
        options = ["--nfe", "3", "-n", "4", *extra, "--out", str(tmp_path / "s.zip")]
        done = CliRunner().invoke(main, ["sample", "--weights", str(cosine_weights), *options])
        assert done.exit_code == 0, done.output
        image_sets.append(read_images(tmp_path / "s.zip"))
    assert not np.array_equal(*image_sets)


@pytest.mark.parametrize("name", SOLVERS.names())
def test_every_solver_can_stop_early_and_denoise(weights, tmp_path, name):
    """At the last time that is what denoising does anyway, bit for bit."""
    default, last, early = (
        images(weights, tmp_path, spec(name, nfe=12, denoise=True, t_end=t_end)) for t_end in (None, 0, 100)
    )
    assert np.array_equal(default, last)
    assert not np.array_equal(default, early)
    assert shades(early) > 0.2


@pytest.mark.parametrize("name", SOLVERS.names())
def test_every_solver_can_scale_the_noise(weights, tmp_path, name):
    """By 1 that changes no bit."""
    default, by_one, by_a_line, smaller = (
        images(weights, tmp_path, spec(name, nfe=12, eps_scale=scale))
        for scale in (None, 1, {"k": 0.0, "b": 1.0}, {"k": 1e-5, "b": 1.01})
    )
    assert np.array_equal(default, by_one) and np.array_equal(default, by_a_line)
    assert not np.array_equal(default, smaller)
    assert shades(smaller) > 0.2


@pytest.mark.parametrize("name", SOLVERS.names())
def test_every_solver_can_tell_the_network_the_time_that_fits(weights, tmp_path, name):
    """With no other time to tell, or none above the cut-off, that changes no bit."""
    default, alone, never, shifted = (
        images(weights, tmp_path, spec(name, nfe=12, time_shift=shift))
        for shift in (None, *({"window": w, "cutoff": c} for w, c in ((1, 0), (80, 999), (80, 100))))
    )
    assert np.array_equal(default, alone) and np.array_equal(default, never)
    assert not np.array_equal(default, shifted)
    assert shades(shifted) > 0.2


def test_smaller_noise_leaves_more_noise_in_the_images(weights, tmp_path):
    """Each step takes less of it away: neighbours in an image differ more."""
    rough = []
    for scale in (0.95, 1, 1.05):
        drawn = images(weights, tmp_path, spec("ddim", nfe=20, count=32, eps_scale=scale)).astype(float)
        rough.append(np.abs(np.diff(drawn, axis=2)).mean())
    assert rough[0] < rough[1] < rough[2]


def test_a_person_can_stop_early(weights, tmp_path):
    options = ["--weights", str(weights), "--solver", "dpm-solver-3", "--nfe", "6", "-n", "3", "--t-end"]
    done = CliRunner().invoke(main, ["sample", *options, "50", "--out", str(tmp_path / "mine.zip")])
    assert done.exit_code == 0, done.output
    expected = images(weights, tmp_path, spec("dpm-solver-3", nfe=6, count=3, denoise=True, t_end=50), few=True)
    assert np.array_equal(read_images(tmp_path / "mine.zip"), expected)
    done = CliRunner().invoke(main, ["sample", *options, "999", "--out", str(tmp_path / "mine.zip")])
    assert done.exit_code == 2
    assert "t_end = 999 of dpm-solver-3 must be below t = 999, where sampling starts" in done.output


def test_a_person_can_scale_the_noise(weights, tmp_path):
    options = ["--weights", str(weights), "--nfe", "6", "-n", "3", "--out", str(tmp_path / "mine.zip")]
    done = CliRunner().invoke(main, ["sample", *options, "--eps-scale", "1.05"])
    assert done.exit_code == 0, done.output
    expected = images(weights, tmp_path, spec(nfe=6, count=3, eps_scale=1.05), few=True)
    assert np.array_equal(read_images(tmp_path / "mine.zip"), expected)


def test_a_person_can_shift_the_time(weights, tmp_path):
    options = ["--weights", str(weights), "--nfe", "6", "-n", "3", "--out", str(tmp_path / "mine.zip")]
    done = CliRunner().invoke(main, ["sample", *options, "--time-shift", "80", "100"])
    assert done.exit_code == 0, done.output
    shift = {"window": 80, "cutoff": 100}
    expected = images(weights, tmp_path, spec(nfe=6, count=3, time_shift=shift), few=True)
    assert np.array_equal(read_images(tmp_path / "mine.zip"), expected)


def test_clipping_is_left_alone_where_the_schedule_is_linear(weights, tmp_path):
    """Sampling starts at lambda = -5.1 there."""
    auto, never = (images(weights, tmp_path, spec(clip_x0=clipped)) for clipped in ("auto", False))
    assert np.array_equal(auto, never)


def test_a_person_can_ask_for_clipping(weights, tmp_path):
    image_sets = []
    for clipped in ("true", "false"):
        out = tmp_path / f"{clipped}.zip"
        options = ["--nfe", "3", "-n", "4", "--clip-x0", clipped, "--out", str(out)]
        done = CliRunner().invoke(main, ["sample", "--weights", str(weights), *options])
        assert done.exit_code == 0, done.output
        image_sets.append(read_images(out))
    assert not np.array_equal(*image_sets)


def test_a_person_who_asks_for_few_images_waits_for_no_others(tmp_path):
    weights = write_weights(tmp_path / "weights.safetensors")
    arguments = ["sample", "--weights", str(weights), "--nfe", "2", "-n", "3", "--out", str(tmp_path / "grid.png")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "grid.manifest.json")["result"]["batch"] == 3


def test_a_wrong_solver_is_named_by_its_key(tmp_path):
    weights = write_weights(tmp_path / "weights.safetensors")
    for option, message in {"--solver=dimm": "unknown solver 'dimm'", "--nfe=0": "solver: nfe[0]: "}.items():
        done = CliRunner().invoke(main, ["sample", "--weights", str(weights), option, "--out", str(tmp_path / "a.png")])
        assert done.exit_code == 2
        assert message in done.output
