"""`etsdm probe`."""

from pathlib import Path

import click

from etsdm.commands._options import DATA, DEVICE, WEIGHTS, out_file
from etsdm.commands._record import code_of, manifest_of, recorded, say, time_limit
from etsdm.commands._specification import Specification, spec_option
from etsdm.runtime.files import write_json

ORDER = 170
OF_A_PROBE = "spec.json of a probe, or its content.  [default: K of 512 images, at the paper's times]"


@click.command()
@WEIGHTS
@DATA
@spec_option("probe", OF_A_PROBE, required=False)
@out_file("JSON file to write.")
@DEVICE
def probe(weights: Path, data: Path, spec: Specification | None, out: Path, device: str) -> None:
    """Probe a trained network: K, stability, solvers' errors.

    K(t', t) is the network's time-Lipschitz constant. Within a sub-interval, E-TSDM's is 0. Other probes measure the
    constant in x, what a wrong condition costs, stability and solvers' errors. The measured points are printed as well.

    \b
    Example:  etsdm probe --weights RUN/weights.safetensors --data images.zip --out k.json
    """
    from tabulate import tabulate

    from etsdm.diffusion.make import all_modules
    from etsdm.probes import PROBES
    from etsdm.probes.lipschitz import Pairs
    from etsdm.runtime.devices import pick_device
    from etsdm.solvers import SOLVERS

    values = spec.values if spec else {"probe": "lipschitz", **Pairs.model_validate({"images": 512}).model_dump()}
    path = out.with_name("manifest.json") if spec else manifest_of(out)
    tried = sorted({SOLVERS.module(solver["name"]) for solver in values.get("solvers", [])})
    code = code_of("probe", PROBES.module(values["probe"]), *tried, *all_modules())
    with recorded(path, [weights, data], [out], spec or values, device, code=code) as record:
        result = PROBES.load(values["probe"]).probe(
            weights, data, PROBES.read(values), str(pick_device(device, time_limit()))
        )
        write_json(out, result)
        record.update(n=result["n"])
    say(tabulate(result["points"], headers="keys", floatfmt=".4g"), out)
