# The benchmark lies in workflow/, where Snakemake's tools look for it. This file lets Snakemake start from here, too.
include: "workflow/Snakefile"


# What Snakemake would otherwise forget at the end of an include.
workflow.default_target = "all"
