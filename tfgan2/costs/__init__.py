"""Costs of training a flavour: counted in the graph of a step, and measured on this machine."""
