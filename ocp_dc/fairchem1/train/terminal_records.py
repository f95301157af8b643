"""Records of fairchem 1.10 that ``ocp-dc main`` shows, and warnings that it writes to the log file only."""

SHOWN = ("Submitted jobs: ", "Experiment log saved to: ")

# each with the reason
HIDDEN = {
    "Disabled BalancedBatchSampler because num_replicas=1": "one process has nothing to balance",
    "PaiNNMessage.jittable' is deprecated and a no-op": "fairchem's PaiNN calls it, and it has no effect",
    "log_summary for Tensorboard not supported": "fairchem calls it in each run, and nothing is lost",
}
