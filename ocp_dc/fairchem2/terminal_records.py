"""Records of fairchem 2 that ``ocp-dc main`` shows, and warnings that it writes to the log file only."""

SHOWN = ("Submitted ",)

# each with the reason
HIDDEN = {
    "Disabled BalancedBatchSampler because num_replicas=1": "one process has nothing to balance",
    "`broadcast_buffers` is deprecated": "torchtnt passes this argument to torch, and it has its old meaning",
    "'pin_memory' argument is set as true but no accelerator is found": "fairchem's loaders ask for it on a CPU, too",
    "Grad strides do not match bucket view strides": "torch says itself that it is no error; some microseconds a step",
    "To get the last learning rate computed by the scheduler": "fairchem logs the rate so; it is that of the step",
}
