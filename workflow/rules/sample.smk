# ------------------------------------------------------------------------------------------------------------------
# weights.safetensors -> samples.zip, by one solver at one budget of network evaluations.
# ------------------------------------------------------------------------------------------------------------------
rule sample:
    input:
        spec="results/samples/{sample}/spec.json",
        weights=lambda wildcards: f"{model_of(wildcards.sample)}/weights.safetensors",
    output:
        samples="results/samples/{sample}/samples.zip",
        manifest="results/samples/{sample}/manifest.json",
    log:
        "results/samples/{sample}/sample.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=GPU,
    params:
        depends=lambda wildcards: depends("sample", solvers.module(solver_of(wildcards.sample))),
    shell:
        "etsdm sample --weights {input.weights:q} --spec {input.spec:q} --out {output.samples:q} > {log:q} 2>&1"
