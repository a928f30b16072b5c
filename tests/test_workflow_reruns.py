"""The rerun contract: what runs again after which change."""

import pytest
from blocks import SOLVERS
from configs import write_config
from projects import PLAN, REPORT

pytestmark = pytest.mark.workflow


def test_an_edited_method_retrains_its_own_networks(project):
    project.edit("etsdm/diffusion/methods/etsdm.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"train": 1, "probe": 1, "sample": 2, "sample_features": 2, "score": 2}


def test_an_edited_probe_probes_again(project):
    project.edit("etsdm/probes/lipschitz.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"probe": 2}


def test_an_edited_source_leaves_the_data_of_the_others_alone(project):
    project.edit("etsdm/data/sources/photos.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == {}


def test_touched_but_equal_inputs_cause_nothing(project):
    for pattern in ("spec.json", "images.digest", "images.zip", "inventory.json"):
        for file in project.folder.glob(f"results/**/{pattern}"):
            file.touch()
    assert project.would_run() == {}


def test_a_reworded_message_causes_nothing(project):
    """Nor does a comment, an unused function, or an edit to what only writes results down."""
    project.edit("etsdm/training/train.py", "from etsdm", "# A remark.\nfrom etsdm")
    project.edit("etsdm/training/train.py", "its images are {pixels", "its pictures are {pixels")
    project.edit("etsdm/models/unet.py", "\nclass ", "\ndef unused():\n    return 1\n\n\nclass ")
    project.edit("etsdm/runtime/manifest.py", '"cpu_seconds"', '"seconds_of_cpu"')
    assert project.would_run() == {}


@pytest.mark.slow
def test_another_pytorch_makes_all_again_only_where_that_is_asked_for(project):
    write_config(project.config, same_torch=True)
    expected = {"encoder": 1, "train": 2, "probe": 2, "reference_features": 1, "reference": 1}
    assert project.would_run() == REPORT | expected | {"sample": 4, "sample_features": 4, "score": 4}
    assert project.run("etsdm", "adopt", str(project.config)).returncode == 0
    assert project.would_run() == {}
    for file in project.folder.glob("results/models/**/manifest.json"):
        file.write_text(file.read_text().replace('"torch": "', '"torch": "1.'))
    done = project.run("etsdm", "adopt", "--dry-run", str(project.config))
    assert done.stderr.count("made by PyTorch 1.") == 2


def test_edited_plotting_code_redraws_what_it_draws(project):
    project.edit("etsdm/report/figures/k_curves.py", "\ndef ", "\nassert __name__\n\n\ndef ")
    assert project.would_run() == {"figure": 1, "page": 1, "all": 1}


def test_an_edited_distance_scores_again_without_extracting_features(project):
    project.edit("etsdm/metrics/distances/frechet.py", "\ndef ", "\nassert __name__\n\n\ndef ")
    assert project.would_run() == REPORT | {"reference": 1, "score": 4}


def test_an_edited_solver_resamples_its_own_sets(project):
    project.edit("etsdm/solvers/ddim.py", "\ndef ", "\nEDITED = True\n\n\ndef ")
    assert project.would_run() == REPORT | {"sample": 2, "sample_features": 2, "score": 2}


def test_edited_training_code_retrains(project):
    project.edit("etsdm/training/ema.py", "\nclass ", "\nassert __name__\n\n\nclass ")
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_one_more_solver_samples_and_trains_nothing(project):
    write_config(project.config, **{f"{SOLVERS}.1.nfe": [2, 4]})
    assert project.would_run() == PLAN | REPORT | {"sample": 2, "sample_features": 2, "score": 2}
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    assert project.would_run() == {}


def test_one_more_seed_trains_that_seed(project):
    write_config(project.config, seeds=[0, 1])
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == PLAN | REPORT | expected


def test_another_set_of_distances_only_scores(project):
    write_config(project.config, **{"evaluation.distances": ["kernel"]})
    assert project.would_run() == PLAN | REPORT | {"reference": 1, "score": 4}


def test_more_replicates_only_score(project):
    write_config(project.config, **{"evaluation.bootstrap": 3})
    assert project.would_run() == PLAN | REPORT | {"score": 4}


def test_an_edited_network_leaves_the_classifier_alone(project):
    project.edit("etsdm/models/unet.py", "\nclass ", "\nassert __name__\n\n\nclass ")
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_a_changed_learning_rate_retrains_and_keeps_data_and_encoder(project):
    write_config(project.config, **{"training.learning_rate": 2e-3})
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == PLAN | REPORT | expected


@pytest.mark.slow
def test_what_a_failed_job_took_away_is_made_again(project):
    """Snakemake deletes the outputs of a failed job; the report of the run before is still there."""
    old, new = "    pixels = map_images(images, digest)\n", "    raise UserError('power cut')\n"
    project.edit("etsdm/training/train.py", old, new)
    done = project.snakemake("--keep-going")
    assert done.returncode == 1
    logs = [log.read_text() for log in project.folder.glob("results/models/**/train.log")]
    assert sum("etsdm: error: power cut" in log for log in logs) == 2
    project.edit("etsdm/training/train.py", new, old)
    expected = {"train": 2, "probe": 2, "sample": 4, "sample_features": 4, "score": 4}
    assert project.would_run() == REPORT | expected


def test_a_lost_result_is_made_again(project):
    next(project.folder.glob("results/samples/**/dpm-solver-2-*/samples.zip")).unlink()
    assert project.would_run() == REPORT | {"sample": 1, "sample_features": 1, "score": 1}
