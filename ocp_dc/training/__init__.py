"""What the run of any host needs: checks, means, logs, schedules, records, checkpoints as data."""
