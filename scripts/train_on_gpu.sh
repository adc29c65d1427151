#!/usr/bin/env bash
# Train the network of organs and targets on one GPU in ten minutes, from at most 60 MiB of packed cases.
#
#   python scripts/pack_cases.py organs ../shared/data/openkbp/train --out packed      # here, once
#   scripts/train_on_gpu.sh packed OUT                                                  # on the machine with the GPU
#
# OUT gets package/, metrics.jsonl, plan.json and the last checkpoint in parts of 15 MiB
# (cat checkpoint.part-* > last.ckpt). MINUTES, PRESET, DEVICE, WORKERS and TIMED may be set in the environment:
# at toy size on a CPU, MINUTES=1 PRESET=smoke DEVICE=cpu WORKERS=0 TIMED=2.
set -euo pipefail
packed=${1:?folder with cases.npz} out=${2:?folder for results}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
[ -x "$here/.venv/bin/python" ] && python=${PYTHON:-$here/.venv/bin/python}
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
mkdir -p "$out"
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
"$python" "$here/scripts/train_within.py" organs --preset "${PRESET:-gpu}" --data "$packed" --out "$run" \
    --minutes "${MINUTES:-9}" --device "${DEVICE:-cuda}" --workers "${WORKERS:-14}" --timed "${TIMED:-40}"
cp -r "$run/package" "$run/metrics.jsonl" "$run/plan.json" "$out/"
split -b 15M -d "$run/checkpoints/last.ckpt" "$out/checkpoint.part-"
