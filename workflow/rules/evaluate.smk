# ------------------------------------------------------------------------------------------------------------------
# Encoders: trained on a data set's labels, or with weights that are verified, such as the Inception network of FID.
# ------------------------------------------------------------------------------------------------------------------
rule encoder:
    """Train an encoder on a data set's labels. Distances are measured in its features."""
    input:
        data=lambda wildcards: f"results/{plan.encoders[f'encoders/{wildcards.encoder}'].needs['data'].path}/images.digest",
        images=lambda wildcards: ancient(
            f"results/{plan.encoders[f'encoders/{wildcards.encoder}'].needs['data'].path}/images.zip"
        ),
    output:
        weights="results/encoders/{encoder}/weights.safetensors",
        manifest="results/encoders/{encoder}/manifest.json",
    log:
        "results/encoders/{encoder}/encoder.log",
    wildcard_constraints:
        encoder=r"[^/]+/[^/]+",
    conda:
        ENVIRONMENT
    resources:
        **JOB,
        gpu=GPU,
    params:
        depends=lambda wildcards: does("encoder", plan.encoders[f"encoders/{wildcards.encoder}"]),
    shell:
        f"{ETSDM} encoder"
        " --spec {params.depends[spec]:q} --data {input.images:q} --out {output.weights:q}"
        " > {log:q} 2>&1"


# Weights that are copied or downloaded: a rule of its own for each, as their files have names of their own. It may need
# the internet.
for ENCODER in [run for run in plan.encoders.values() if not run.needs]:

    rule:
        """Fetch the weights of an encoder and verify them. On a cluster this runs on the login node, with internet."""
        name:
            ENCODER.label
        output:
            weights=encoder_file(ENCODER),
            manifest=f"results/{ENCODER.path}/manifest.json",
        log:
            f"results/{ENCODER.path}/encoder.log",
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **JOB,
        params:
            depends=does("encoder", ENCODER),
        shell:
            f"{ETSDM} encoder" " --spec {params.depends[spec]:q} --out {output.weights:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# Image archives -> features, once for every metric.
# ------------------------------------------------------------------------------------------------------------------
rule sample_features:
    """Compute the features of a sample set."""
    input:
        images="results/samples/{sample}/samples.zip",
        encoder=lambda wildcards: encoder_file(measurement_of(wildcards).encoder),
    output:
        features="results/samples/{sample}/{encoder}/features.npz",
        manifest="results/samples/{sample}/{encoder}/features.manifest.json",
    log:
        "results/samples/{sample}/{encoder}/features.log",
    conda:
        ENVIRONMENT
    resources:
        **LONG_JOB,
        gpu=GPU,
    params:
        depends=lambda wildcards: depends(
            "features",
            *loaded("features", measurement_of(wildcards).encoder),
            encoder=measurement_of(wildcards).encoder.spec["name"],
            count=sample_of(wildcards).spec["samples"],
        ),
    shell:
        f"{LONG_ETSDM} features"
        " --nodes {resources.nodes} --processes {resources.processes}"
        " --encoder {params.depends[encoder]} --weights {input.encoder:q} --images {input.images:q}"
        " --count {params.depends[count]} --out {output.features:q} > {log:q} 2>&1"


rule reference_features:
    """Compute the features of a data set."""
    input:
        data="results/data/{data}/images.digest",
        images=ancient("results/data/{data}/images.zip"),
        encoder=lambda wildcards: encoder_file(reference_of(wildcards)),
    output:
        features="results/data/{data}/{encoder}/features.npz",
        manifest="results/data/{data}/{encoder}/features.manifest.json",
    log:
        "results/data/{data}/{encoder}/features.log",
    conda:
        ENVIRONMENT
    resources:
        **LONG_JOB,
        gpu=GPU,
    params:
        depends=lambda wildcards: depends(
            "features",
            *loaded("features", reference_of(wildcards)),
            encoder=reference_of(wildcards).spec["name"],
        ),
    shell:
        f"{LONG_ETSDM} features"
        " --nodes {resources.nodes} --processes {resources.processes}"
        " --encoder {params.depends[encoder]} --weights {input.encoder:q} --images {input.images:q}"
        " --out {output.features:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# Features -> distances between a sample set and its data set. What belongs to the data set alone is made once.
# ------------------------------------------------------------------------------------------------------------------
rule reference:
    """Compute what every score needs of the features of a data set."""
    input:
        features="results/data/{data}/{encoder}/features.npz",
    output:
        summary="results/data/{data}/{encoder}/reference.npz",
        manifest="results/data/{data}/{encoder}/reference.manifest.json",
    log:
        "results/data/{data}/{encoder}/reference.log",
    conda:
        ENVIRONMENT
    threads: lambda wildcards: 8 if has_long_features(reference_of(wildcards)) else 1
    resources:
        **JOB,
    params:
        depends=lambda wildcards: scores(reference_of(wildcards)),
    shell:
        f"{ETSDM} reference"
        " --features {input.features:q}"
        " --encoder {params.depends[encoder]} {params.depends[distances]} --out {output.summary:q} > {log:q} 2>&1"


rule score:
    """Measure the distances between a sample set and its data set."""
    input:
        samples="results/samples/{sample}/{encoder}/features.npz",
        reference=lambda wildcards: f"results/{measurement_of(wildcards).reference}/features.npz",
        summary=lambda wildcards: f"results/{measurement_of(wildcards).reference}/reference.npz",
    output:
        scores="results/samples/{sample}/{encoder}/scores.json",
        manifest="results/samples/{sample}/{encoder}/scores.manifest.json",
    log:
        "results/samples/{sample}/{encoder}/score.log",
    conda:
        ENVIRONMENT
    threads: lambda wildcards: 8 if has_long_features(measurement_of(wildcards).encoder) else 1
    resources:
        **JOB,
    params:
        depends=lambda wildcards: scores(
            measurement_of(wildcards).encoder,
            count=sample_of(wildcards).spec["samples"],
            bootstrap=plan.config.evaluation.bootstrap,
        ),
    shell:
        f"{ETSDM} score"
        " --samples {input.samples:q} --reference {input.reference:q}"
        " --summary {input.summary:q}"
        " --encoder {params.depends[encoder]} {params.depends[distances]}"
        " --count {params.depends[count]} --bootstrap {params.depends[bootstrap]}"
        " --out {output.scores:q} > {log:q} 2>&1"


# ------------------------------------------------------------------------------------------------------------------
# Restored images beside the true ones.
# ------------------------------------------------------------------------------------------------------------------
rule compare:
    """Measure restored images against the true ones."""
    input:
        restored="results/restorations/{restoration}/restored.zip",
        data=lambda wildcards: f"results/{restoration_of(wildcards).needs['test'].path}/images.digest",
        truth=lambda wildcards: ancient(f"results/{restoration_of(wildcards).needs['test'].path}/images.zip"),
    output:
        scores="results/restorations/{restoration}/scores.json",
        manifest="results/restorations/{restoration}/scores.manifest.json",
    log:
        "results/restorations/{restoration}/compare.log",
    conda:
        ENVIRONMENT
    resources:
        **JOB,
    params:
        depends=depends("compare"),
    shell:
        f"{ETSDM} compare"
        " --restored {input.restored:q} --truth {input.truth:q} --out {output.scores:q}"
        " > {log:q} 2>&1"
