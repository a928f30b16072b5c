# The benchmark: config -> plan -> rules -> report. `snakemake --configfile config/digits.yaml --cores 2` runs it all.
from snakemake.utils import min_version

min_version("9.0")

if not workflow.configfiles:

    configfile: "config/digits.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# Short, or in need of the internet: on a cluster these run on the login node.
localrules:
    all,
    excerpt,
    inception,
    inventory,
    rows,
    tables,
    figures,
    page,


rule all:
    default_target: True
    input:
        RESULT_FILES,
        f"{REPORT}/report.html",
        FIGURES,
        TABLES,


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/report.smk"
