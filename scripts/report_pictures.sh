#!/usr/bin/env bash
# Draw the pictures of a report in docs/figures, from audits of phantoms; needs chromium.
#
#   scripts/report_pictures.sh          with the python of an environment that has vestige[test]
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
pages="$(mktemp -d)"
trap 'rm -r "$pages"' EXIT
"$python" benchmarks/screenshots.py "$pages" copies not-found

picture() { # PAGE NAME HEIGHT
  "$python" -c 'import sys; from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
picture = picture.crop((0, 0, picture.width, int(sys.argv[3])))
picture.quantize(160, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)' \
    "$pages/$1-1280-light.png" "docs/figures/$2.png" "$3"
}

picture copies report-copies 1290
picture not-found report-clean 720
