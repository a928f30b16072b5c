# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors -> what the trained network is like: K(t', t), its stability, the cost of a wrong condition, the
# errors of its solvers.
# ------------------------------------------------------------------------------------------------------------------
rule probe:
    """Measure a trained network: its K(t', t), its stability or what another probe finds."""
    input:
        weights="results/models/{model}/weights.safetensors",
        data=lambda wildcards: f"{data_of(wildcards.model)}/images.digest",
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
        depends=lambda wildcards: does("probe", probe_of(wildcards)),
    shell:
        f"{ETSDM} probe"
        " --weights {input.weights:q} --data {input.images:q} --spec {params.depends[spec]:q}"
        " --out {output.result:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# What is known exactly, on a mixture of Gaussians.
# ------------------------------------------------------------------------------------------------------------------
rule theory:
    """Compute what is known exactly."""
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
        depends=lambda wildcards: does("theory", plan.theories[f"theory/{wildcards.hash}"]),
    shell:
        f"{ETSDM} theory" " --spec {params.depends[spec]:q} --out {output.result:q} > {log:q} 2>&1"
