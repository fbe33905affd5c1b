#!/usr/bin/env bash
# The main job on the embedded digits: survey, train, test, predict. Everything goes to demo/ under the current folder.
set -euo pipefail
mkdir -p demo
cd demo
say() { printf '\n$ %s\n' "$*"; "$@"; }

run="digits-$(date +%H%M%S)"
say striate data digits
say striate train digits --name "$run"
say striate evaluate "$run"
# A few of the digits as files, to ask about
python - <<'PY'
from pathlib import Path

from PIL import Image

from striate.data.builtin_datasets import read

digits = read("digits", None)
Path("some").mkdir(exist_ok=True)
for i in (3, 14, 159, 265, 358):
    label = digits.classes[digits.labels_N[i]]
    Image.fromarray(digits.pixels_NHWC[i, :, :, 0]).save(f"some/{i}-is-a-{label}.png")
PY
say striate predict "$run" some
printf '\nThe run lies in %s\n' "$PWD/runs/$run"
