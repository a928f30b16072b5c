# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors -> samples.zip, by one solver at one budget of network evaluations.
# ------------------------------------------------------------------------------------------------------------------
from etsdm.report.contents import MOSAIC

# Snakemake removes what is temporary once all jobs that read it are done, and does not miss it afterwards.
samples_file = str if KEEPS_SAMPLES else temp


rule sample:
    """Draw the images of a sample set."""
    input:
        weights=lambda wildcards: weights_of(sample_of(wildcards)),
    output:
        samples=samples_file("results/samples/{sample}/samples.zip"),
        manifest="results/samples/{sample}/manifest.json",
    log:
        "results/samples/{sample}/sample.log",
    conda:
        ENVIRONMENT
    resources:
        **LONG_JOB,
        gpu=GPU,
        # 1: compile the network first, which takes minutes and a C compiler.
        compile=0,
    params:
        depends=lambda wildcards: does("sample", sample_of(wildcards)),
        flags=flags("compile"),
    shell:
        f"{LONG_ETSDM} sample"
        " --nodes {resources.nodes} --processes {resources.processes}"
        " --weights {input.weights:q} --spec {params.depends[spec]:q} --out {output.samples:q}"
        " {params.flags} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# samples.zip -> its first images, for figures. Asked for where the archives are not kept.
# ------------------------------------------------------------------------------------------------------------------
rule excerpt:
    """Copy the first images of a sample set."""
    input:
        images="results/samples/{sample}/samples.zip",
    output:
        excerpt="results/samples/{sample}/shown.zip",
        manifest="results/samples/{sample}/shown.manifest.json",
    log:
        "results/samples/{sample}/shown.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("excerpt", count=MOSAIC[0] * MOSAIC[1]),
    shell:
        f"{ETSDM} excerpt"
        " --images {input.images:q} --count {params.depends[count]}"
        " --out {output.excerpt:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors of a conditional network and true images -> their low-resolution versions, restored.
# ------------------------------------------------------------------------------------------------------------------
rule restore:
    """Restore low-resolution versions of true images."""
    input:
        weights=lambda wildcards: weights_of(restoration_of(wildcards)),
        data=lambda wildcards: f"results/{restoration_of(wildcards).needs['test'].path}/images.digest",
        images=lambda wildcards: ancient(f"results/{restoration_of(wildcards).needs['test'].path}/images.zip"),
    output:
        inputs="results/restorations/{restoration}/inputs.zip",
        restored="results/restorations/{restoration}/restored.zip",
        manifest="results/restorations/{restoration}/manifest.json",
    log:
        "results/restorations/{restoration}/restore.log",
    conda:
        ENVIRONMENT
    resources:
        **LONG_JOB,
        gpu=GPU,
    params:
        depends=lambda wildcards: does("restore", restoration_of(wildcards)),
        folder=subpath(output.restored, parent=True),
    shell:
        f"{LONG_ETSDM} restore"
        " --nodes {resources.nodes} --processes {resources.processes}"
        " --weights {input.weights:q} --images {input.images:q} --spec {params.depends[spec]:q}"
        " --out {params.folder:q} > {log:q} 2>&1"
