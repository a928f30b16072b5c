#!/usr/bin/env bash
# What `make submit` and `make cancel` do: `make reproduce` in jobs of SLURM, where no long process may run on the login node.
#
#   workflow/submit.sh start CONFIG    queue the first of these jobs
#   workflow/submit.sh cancel CONFIG   cancel them, and the jobs of the benchmark that they have submitted
#
# Such a job, a driver, first queues its successor, which starts when the driver is over, however it ended: killed, out of
# time, lost with its node. A workflow that ends by itself, done or failed, cancels the successor. Drivers that get nowhere
# have none. The variable SBATCH holds options of sbatch.
set -euo pipefail

FRUITLESS=3 # Drivers in a row that brought neither a result nor a saved state, after which none follows.
config=$2
stem=$(basename "${config%.*}" | tr -c 'A-Za-z0-9\n' - | cut -c -20)
name=etsdm-$stem-$(realpath -m "$config" | cksum | cut -d ' ' -f 1) # the jobs of the benchmark: this, _ and more
log=results/drivers/$name.log

# Queue a driver and say its number. Arguments: what there is by now, fruitless drivers until now, options of sbatch.
queue() {
    # shellcheck disable=SC2086 # options, set apart by spaces
    sbatch --parsable --job-name="$name" --output="$log" --open-mode=append --export=ALL --no-requeue \
        --cpus-per-task=2 --mem=4G ${SBATCH:-} "${@:3}" workflow/submit.sh drive "$config" "$1" "$2" | cut -d ';' -f 1
}

# The numbers of one's own jobs whose names match.
queued() { squeue --me --noheader --format '%i %j' | awk -v "name=^($1)\$" '$2 ~ name { print $1 }' | xargs; }

# What changes with each result and each saved state.
made() {
    { find results/ \( -name '*manifest.json' -o -name '*.pt' -o -name '*.npy' \) -printf '%p %T@\n' 2> /dev/null || true; } |
        LC_ALL=C sort | cksum | tr ' ' -
}

say() { echo "== $(date '+%F %T'), driver $SLURM_JOB_ID: $*"; }

start() {
    local at_work first
    command -v sbatch > /dev/null || { echo 'make: error: there is no sbatch here; make reproduce needs none' >&2; exit 2; }
    at_work=$(queued "$name(_.*)?")
    if [ "$at_work" ]; then
        echo "make: error: jobs of this benchmark are in the queue ($at_work); to end them: make cancel CONFIG=$config" >&2
        exit 2
    fi
    mkdir -p "$(dirname "$log")"
    first=$(queue none 0)
    echo "Job $first runs the benchmark, and others after it until all is done. You may log out."
    echo "  look:   tail -F $log"
    echo "  cancel: make cancel CONFIG=$config"
}

drive() {
    local before=$2 tries=0 now left next status=0 ended=results/drivers/$name.$SLURM_JOB_ID.ended
    now=$(made)
    if [ "$now" = "$before" ]; then tries=$(($3 + 1)); fi
    if ((tries == FRUITLESS)); then
        say "the $tries before it brought nothing new, so it is the last; the reason may stand above"
        exit 1
    fi
    next=$(queue "$now" "$tries" "--dependency=afterany:$SLURM_JOB_ID") || say 'no successor: sbatch failed'
    # Jobs of a driver that was killed go on, and must end before their like is submitted again.
    if left=$(queued "${name}_.*") && [ "$left" ]; then say "waits for jobs of the one before it: $left"; fi
    until left=$(queued "${name}_.*") && [ -z "$left" ]; do sleep 10; done
    say "begins; ${next:-none} is to follow"
    ETSDM_ENDED=$ended make reproduce CONFIG="$config" DRIVER="$name" || status=$?
    if ((status)) && [ ! -e "$ended" ]; then
        say "Snakemake was killed; ${next:-none} follows"
    else
        rm -f "$ended"
        say "the workflow has ended, with exit code $status; none follows"
        [ -z "$next" ] || scancel "$next"
    fi
    exit "$status"
}

cancel() {
    local found
    found=$(queued "$name(_.*)?")
    # shellcheck disable=SC2086 # numbers, set apart by spaces
    [ -z "$found" ] || scancel $found
    echo "Cancelled: ${found:-nothing was in the queue}. make submit goes on from what is saved."
}

"$@"
