"""What Snakemake, its users and its catalogue of workflows expect of a workflow."""

import pytest
from configs import write_config
from projects import Project, copy_project

PICKED_UP = "Using workflow specific profile profiles/default for setting default command line arguments."


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which nothing has run, and nothing does."""
    folder = tmp_path_factory.mktemp("conventions") / "project"
    copy_project(folder)
    project = Project(folder)
    write_config(project.config)
    return project


@pytest.mark.parametrize("snakefile", [[], ["--snakefile", "workflow/Snakefile"]])
def test_plain_snakemake_takes_the_default_profile(project, snakefile):
    """Without --cores and --profile, from the Snakefile at the top and from that in workflow/."""
    done = project.run("snakemake", *snakefile, "--configfile", str(project.config), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert PICKED_UP in done.stderr
    assert "rule page:" in done.stdout + done.stderr
