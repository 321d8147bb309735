"""What training a flavour costs: counted in the graph of a step, and measured on this machine."""
