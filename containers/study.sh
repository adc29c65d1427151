#!/bin/sh
# One study: folder in, folder out. Who calls says where:
#   mercure        MERCURE_IN_DIR, MERCURE_OUT_DIR
#   MONAI Deploy   HOLOSCAN_INPUT_PATH, HOLOSCAN_OUTPUT_PATH, or MONAI_INPUTPATH, MONAI_OUTPUTPATH
#   by hand        /input, /output
# JOB is the command (report, petct; "predict MODEL" for another network), OPTIONS are its options.
# The DICOM objects of the result lie in the output folder at the end, or nothing and an exit code that is not 0.
# FILES=all leaves every file of the run.
set -e
umask 077
in="${MERCURE_IN_DIR:-${HOLOSCAN_INPUT_PATH:-${MONAI_INPUTPATH:-/input}}}"
out="${MERCURE_OUT_DIR:-${HOLOSCAN_OUTPUT_PATH:-${MONAI_OUTPUTPATH:-/output}}}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
# mercure runs modules as its own user, who may not write the image's cache of compiled networks.
[ -w "${HYOID_CACHE:-/nowhere}" ] || export HYOID_CACHE="$scratch/cache"
case "${JOB:-report}" in predict*) dicom=--dicom ;; *) dicom= ;; esac
# The words of JOB and OPTIONS are arguments of their own.
# shellcheck disable=SC2086
hyoid ${JOB:-report} "$in" --out "$scratch/result" --json $dicom ${OPTIONS:-}
if [ "${FILES:-dicom}" = all ]; then
    cp -R "$scratch/result/." "$out/"
else
    find "$scratch/result" -name '*.dcm' -exec cp {} "$out/" \;
fi
