#!/usr/bin/env bash
# Draw the pictures of a report in docs/figures, from the demo: invented images only.
#
#   make demo && scripts/report_pictures.sh          needs chromium; and Pillow, from .venv-demo
set -euo pipefail
cd "$(dirname "$0")/.."
demo="${1:-demo}"
python="${PYTHON:-.venv-demo/bin/python}"
chromium="${CHROMIUM:-chromium}"

picture() { # REPORT NAME HEIGHT
  local shot; shot="$(mktemp --suffix .png)"
  "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
    --window-size="1000,$3" --screenshot="$shot" "file://$(realpath "$1")" 2> /dev/null
  "$python" -c 'import sys; from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
picture.quantize(48, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)' "$shot" "docs/figures/$2.png"
  rm "$shot"
}

picture "$demo/leaking/report.html" report-copies 840
picture "$demo/clean/report.html" report-clean 900
