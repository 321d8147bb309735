"""What training costs: counted in the graph, measured here, predicted for GPUs.

`graph` counts any concrete function, `model` any flavour, `prediction` knows numbers alone. Nothing
here knows a flavour by name.
"""
