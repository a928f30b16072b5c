# ------------------------------------------------------------------------------------------------------------------
# Any source -> images.zip and dataset.json. What is made from the images watches dataset.json, which is small and holds
# their digest: Snakemake compares small files by content, so a touched one causes nothing to run.
# ------------------------------------------------------------------------------------------------------------------
rule prepare:
    input:
        spec="results/data/{data}/spec.json",
    output:
        images="results/data/{data}/images.zip",
        description="results/data/{data}/dataset.json",
        manifest="results/data/{data}/manifest.json",
    log:
        "results/data/{data}/prepare.log",
    conda:
        ENVIRONMENT
    # Processes that read and resize images; Snakemake gives no more than there are cores.
    threads: 8
    resources:
        **JOB,
        runtime=0,
    params:
        depends=lambda wildcards: source_of(plan.data[f"data/{wildcards.data}"].spec),
    shell:
        "etsdm --attempt {resources.attempt} --minutes {resources.runtime} prepare"
        " --spec {input.spec:q} --out results/data/{wildcards.data:q} --workers {threads}"
        " > {log:q} 2>&1"
