"""Datasets of image files in folders: with classes, in pairs, unpaired, with captions."""
