# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors -> the time-Lipschitz constant K(t, t') of the trained network.
# ------------------------------------------------------------------------------------------------------------------
rule probe:
    input:
        spec="results/probes/{model}/lipschitz-{hash}/spec.json",
        weights="results/models/{model}/weights.safetensors",
        data=lambda wildcards: f"{data_of(wildcards.model)}/dataset.json",
        images=lambda wildcards: ancient(f"{data_of(wildcards.model)}/images.zip"),
    output:
        result="results/probes/{model}/lipschitz-{hash}/lipschitz.json",
        manifest="results/probes/{model}/lipschitz-{hash}/manifest.json",
    log:
        "results/probes/{model}/lipschitz-{hash}/probe.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=GPU,
    params:
        depends=depends("probe"),
    shell:
        "etsdm probe --weights {input.weights:q} --data {input.images:q} --spec {input.spec:q}"
        " --out {output.result:q} > {log:q} 2>&1"
