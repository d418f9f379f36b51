#!/usr/bin/env bash
# Run a part of the suite on the oldest and on the newest dependencies that pyproject.toml allows.
#
#   scripts/dependencies.sh [oldest|newest] [pytest arguments]      default: both, the tests below
#
# Needs `uv` (pip install uv). Each environment is made anew: .venv-oldest, .venv-newest.
set -euo pipefail
cd "$(dirname "$0")/.."

sets=(oldest newest)
case "${1:-}" in
  oldest | newest) sets=("$1"); shift ;;
esac
tests=("$@")
if [ "${#tests[@]}" -eq 0 ]; then
  # every dependency is used here: formats, statistics, networks, FAISS, Dask, charts, command line
  tests=(tests/stats tests/nets tests/measures tests/features
    tests/images/test_{dicom,duplicates,groups,imageset,nifti,png,preprocess,raster}.py
    tests/test_{command_help,engine,result,train}.py
    tests/story/test_{demo,engines,medical_formats,modes}.py)
fi

failed=()
for set in "${sets[@]}"; do
  resolution=$([ "$set" = oldest ] && echo lowest-direct || echo highest)
  # an old library warns of Python's own changes; only the newest must be free of warnings
  warnings=$([ "$set" = oldest ] && echo default || echo error)
  uv venv --quiet --clear --python "${PYTHON:-3.11}" ".venv-$set"
  uv pip install --quiet --python ".venv-$set" --resolution "$resolution" -e ".[all,gpl,test]"
  echo "== $set =="
  OMP_NUM_THREADS=1 ".venv-$set/bin/python" -m pytest -m "not slow" -n "${WORKERS:-2}" --dist worksteal \
    -o filterwarnings="$warnings" -p no:cacheprovider "${tests[@]}" || failed+=("$set")
done
[ "${#failed[@]}" -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
