#!/bin/sh
# Models uploaded beside the container lie in /opt/ml/model; without them the default ones are used.
set -e
if ls /opt/ml/model/*/manifest.yaml > /dev/null 2>&1; then
    exec hyoid grand-challenge "$CHALLENGE" --models /opt/ml/model --json
fi
exec hyoid grand-challenge "$CHALLENGE" --json
