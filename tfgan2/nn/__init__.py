"""Losses, penalties, layers and augmentation, for models and networks."""
