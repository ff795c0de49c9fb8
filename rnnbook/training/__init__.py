"""Training: the loop, checkpoints, what a run tells, what it costs, tasks and data."""
