# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors -> what the trained network is like: K(t', t), its stability, the errors of its solvers.
# ------------------------------------------------------------------------------------------------------------------
rule probe:
    input:
        spec="results/probes/{model}/{probe}/spec.json",
        weights="results/models/{model}/weights.safetensors",
        data=lambda wildcards: f"{data_of(wildcards.model)}/dataset.json",
        images=lambda wildcards: ancient(f"{data_of(wildcards.model)}/images.zip"),
    output:
        result="results/probes/{model}/{probe}/result.json",
        manifest="results/probes/{model}/{probe}/manifest.json",
    log:
        "results/probes/{model}/{probe}/probe.log",
    wildcard_constraints:
        probe=r"[^/]+",
    conda:
        ENVIRONMENT
    resources:
        **JOB,
        gpu=GPU,
    params:
        depends=lambda wildcards: depends("probe", method_of(wildcards.model), *probe_modules(wildcards)),
    shell:
        "etsdm --attempt {resources.attempt} probe --weights {input.weights:q} --data {input.images:q} --spec {input.spec:q}"
        " --out {output.result:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# What is known exactly, on a mixture of Gaussians.
# ------------------------------------------------------------------------------------------------------------------
rule theory:
    input:
        spec="results/theory/{hash}/spec.json",
    output:
        result="results/theory/{hash}/result.json",
        manifest="results/theory/{hash}/manifest.json",
    log:
        "results/theory/{hash}/theory.log",
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("theory"),
    shell:
        "etsdm --attempt {resources.attempt} theory --spec {input.spec:q} --out {output.result:q} > {log:q} 2>&1"
