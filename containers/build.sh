#!/usr/bin/env bash
# Builds hyoid's images with Docker or Podman: containers/build.sh [IMAGE...]
#   BASE=python:3.11-slim@sha256:...   base image by digest
#   TORCH_INDEX=ADDRESS                index of torch's builds for processors
#   CHALLENGE=hecktor2026              what hyoid-challenge answers
set -euo pipefail
cd "$(dirname "$0")/.."

builder=${BUILDER:-}
for name in docker podman; do
    if [ -z "$builder" ] && command -v "$name" >/dev/null && "$name" info >/dev/null 2>&1; then builder=$name; fi
done
if [ -z "$builder" ]; then
    echo "Neither Docker nor Podman answers here. Start one of them, or name it: BUILDER=podman $0" >&2
    exit 1
fi

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/hyoid/__init__.py)
arguments=()
for name in BASE TORCH_INDEX CHALLENGE; do
    if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi
done
images=("$@")
if [ ${#images[@]} -eq 0 ]; then images=(hyoid hyoid-serve hyoid-node hyoid-challenge); fi
for image in "${images[@]}"; do
    "$builder" build --file containers/Dockerfile --target "$image" "${arguments[@]}" \
        --tag "$image:$version" --tag "$image:latest" .
    # The smallest proof that an image runs: no network, a read-only root, no rights.
    "$builder" run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --entrypoint hyoid "$image:$version" --version
done
