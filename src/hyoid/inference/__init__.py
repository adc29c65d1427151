"""Run trained networks: packages, compiled graphs, sliding windows."""
