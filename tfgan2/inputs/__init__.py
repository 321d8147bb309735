"""Inputs of generators: latents, labels and words. NumPy only, so the runtime uses it, too."""
