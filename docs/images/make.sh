#!/usr/bin/env bash
# The screens of the lab are taken by its tests: STRIATE_SCREENS=1 .venv/bin/python -m pytest -m soak tests/lab/test_screens.py
# Take the README's other screenshot, report.png: the top of the report of the quickstart's run. Needs chromium; run where that run is, after the quickstart.
set -euo pipefail
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --window-size=1000,620 --screenshot="$(dirname "$(realpath "$0")")/report.png" "file://$(realpath runs/first/report.html)"
