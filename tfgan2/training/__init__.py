"""The training loop, its checkpoints, and what is shown while it runs."""
