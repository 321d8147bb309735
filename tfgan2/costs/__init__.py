"""What training a flavour costs: counted in the graph of a step, and measured on this machine.

`graph` counts any concrete function, `model` any flavour, `measuring` times steps. Nothing here
knows a flavour by name.
"""
