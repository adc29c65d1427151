"""Many jobs on many workers: executors on this machine and on a Ray cluster, and the ledger of finished cases."""
