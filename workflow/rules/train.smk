# ------------------------------------------------------------------------------------------------------------------
# images.zip -> weights.safetensors. A training that was cut off goes on from its state folder and keeps the snapshots
# that it has written; neither is an output, so that Snakemake leaves them alone.
# ------------------------------------------------------------------------------------------------------------------
# A training's folder: no snapshot of it.
TRAINED = r"[^/]+/[^/]+/seed\d+"


rule train:
    """Train a network, or continue a training that was cut off."""
    input:
        data=lambda wildcards: f"{data_of(wildcards.model)}/images.digest",
        images=lambda wildcards: ancient(f"{data_of(wildcards.model)}/images.zip"),
    output:
        weights="results/models/{model}/weights.safetensors",
        metrics="results/models/{model}/metrics.jsonl",
        manifest="results/models/{model}/manifest.json",
    log:
        "results/models/{model}/train.log",
    wildcard_constraints:
        model=TRAINED,
    # The longest jobs start first, so that none is left to run alone at the end.
    priority: 10
    conda:
        ENVIRONMENT
    resources:
        **LONG_JOB,
        gpu=GPU,
        # Whole minutes between saved states: what a job that is killed can lose.
        save_minutes=5,
        # 1: take less memory of the device, and more time.
        checkpointing=0,
        # 1: compile the network first, which takes minutes and a C compiler.
        compile=0,
    params:
        depends=lambda wildcards: does("train", model_run(wildcards.model)),
        flags=flags("checkpointing", "compile"),
        folder=subpath(output.weights, parent=True),
    shell:
        f"{LONG_ETSDM} train"
        " --nodes {resources.nodes} --processes {resources.processes}"
        " --spec {params.depends[spec]:q} --data {input.images:q} --out {params.folder:q}"
        " --save-minutes {resources.save_minutes} {params.flags} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# A snapshot that a training has kept -> a model of its own, checked by the digest in the training's manifest.
# ------------------------------------------------------------------------------------------------------------------
rule snapshot:
    """Make a model of a snapshot that a training has kept."""
    input:
        training="results/models/{model}/manifest.json",
    output:
        weights="results/models/{model}/snapshots/{snapshot}/weights.safetensors",
        manifest="results/models/{model}/snapshots/{snapshot}/manifest.json",
    log:
        "results/models/{model}/snapshots/{snapshot}/snapshot.log",
    wildcard_constraints:
        model=TRAINED,
        snapshot=r"[^/]+",
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=lambda wildcards: does("snapshot", model_run(f"{wildcards.model}/snapshots/{wildcards.snapshot}")),
    shell:
        f"{ETSDM} snapshot"
        " --spec {params.depends[spec]:q} --training {input.training:q}"
        " --out {output.weights:q} > {log:q} 2>&1"
