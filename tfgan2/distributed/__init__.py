"""Training on several devices and machines: strategies, rendezvous and launcher."""
