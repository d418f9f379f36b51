#!/bin/bash
#SBATCH --job-name=vestige
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=02:00:00
# An audit on many machines: the scheduler, a worker per task, and the audit, which ends them.
#
#   sbatch examples/slurm_audit.sh --generated /shared/synthetic --used /shared/train \
#       --unused /shared/holdout --cache /shared/vestige-cache --out /shared/audit
#
# All folders on storage that every node sees under the same path. The traffic between the parts
# is not encrypted, and whoever reaches the scheduler's port can run programs as you: see
# docs/cluster.md for TLS. Outside SLURM the same script runs everything on this machine.
set -euo pipefail

run=$(mktemp -d "${VESTIGE_RUN:-$PWD}/vestige-run.XXXXXX") # also seen by every node
if [ -n "${SLURM_JOB_ID:-}" ]; then
  start=(srun --kill-on-bad-exit=0 --output="$run/workers.log")
  host=$(hostname -f)
else
  start=()
  host=127.0.0.1
fi

# Dask watches itself a hundred times a second: not worth a tenth of a core here
export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=500ms

# the scheduler writes its address, with a free port, where the others find it
dask scheduler --host "$host" --port 0 --no-dashboard --dashboard-address 127.0.0.1:0 \
  --scheduler-file "$run/scheduler.json" >"$run/scheduler.log" 2>&1 &
scheduler=$!
trap 'kill "$scheduler" "${workers:-}" 2>/dev/null; wait; rm -rf "$run"' EXIT
until [ -s "$run/scheduler.json" ]; do
  kill -0 "$scheduler" || { cat "$run/scheduler.log" >&2; exit 1; }
  sleep 0.2
done
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' \
  "$run/scheduler.json")

# one thread each: decoding is bound by the processor; a worker that dies is started again
${start[@]+"${start[@]}"} dask worker "$address" --nthreads 1 --memory-limit auto --death-timeout 120 \
  --local-directory "${TMPDIR:-/tmp}" --no-dashboard >>"$run/workers.log" 2>&1 &
workers=$!

# shards wait until the first worker is there, a minute at most, and more may join later
vestige audit --engine "dask:$address" "$@"
