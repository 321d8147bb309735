"""Inputs of generators: latents, labels and words. NumPy only, shared with the runtime."""
