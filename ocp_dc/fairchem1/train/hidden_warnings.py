"""Warnings of fairchem 1.10 that ``ocp-dc main`` writes to the log file only, each with the reason."""

HIDDEN = {
    "Disabled BalancedBatchSampler because num_replicas=1": "one process has nothing to balance",
    "log_summary for Tensorboard not supported": "fairchem calls it in each run, and nothing is lost",
}
