"""Forms of convolutions that XLA runs faster on a CPU; weights and results stay the same."""
