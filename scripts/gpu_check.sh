#!/usr/bin/env bash
# In ten minutes: what a CUDA machine makes of the trainer, beside what is promised, as a table and gpu-check.json.
# Needs a Python (PYTHON, else .venv's, else python3) with torch, transformers, peft and accelerate, and installs nothing.
# Ends with 0 if all that ran kept its promise, 1 if something did not, 2 if something failed or time ran out.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "${PYTHON:-$python}" -m scripts.bench.gpu_check "$@"
