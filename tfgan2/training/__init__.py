"""Trains a model: the loop, its callbacks, checkpoints, and the progress display."""
