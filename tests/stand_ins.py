"""Small scripts that stand in for SLURM's commands: what would be submitted is written down, and nothing is run."""

import os
import shlex
from pathlib import Path

SBATCH = """\
#!/bin/bash
printf '%q ' "$@" >> {log}; echo >> {log}
echo 'sbatch: error: {refusal}' >&2
exit 1
"""
OTHERS = {
    "squeue": "exit 0",
    "sacct": "exit 0",
    "scancel": "exit 0",
    "srun": "exit 1",
    "sinfo": "exit 0",
    "sacctmgr": "echo your-project",
    "scontrol": "echo 'MinJobAge = 300 sec'",
}


class StandIns:
    """The scripts, in a folder of their own.

    Args:
        folder: to write them to.
        commands: shell scripts, by command, that differ from the usual ones.
        refusal: what `sbatch` says each time, for it submits nothing.
    """

    def __init__(self, folder: Path, refusal: str = "no cluster", **commands: str) -> None:
        self.log = folder / "submitted"
        folder.mkdir(parents=True)
        scripts = {name: f"#!/bin/bash\n{body}\n" for name, body in (OTHERS | commands).items()}
        scripts["sbatch"] = SBATCH.format(log=shlex.quote(str(self.log)), refusal=refusal)
        for name, script in scripts.items():
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
        path = os.pathsep.join([str(folder), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        self.environment = kept | {"PATH": path}

    def submitted(self) -> list[list[str]]:
        """The arguments of each call of sbatch."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [shlex.split(line) for line in lines]
