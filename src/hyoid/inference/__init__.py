"""Run trained networks: packages, compiled graphs, sliding windows."""

import sys

# OpenVINO reports every conversion to its maker where this package can be imported, and the process that does so may
# never end where there is no network. A machine with patients tells nobody: OpenVINO's own stub stands in.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
