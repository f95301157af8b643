"""A training run, for any host: state, listeners, checks, schedules, records, checkpoints as data."""
