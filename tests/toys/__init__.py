"""A neuron model and an order rule that exist in tests alone: what adding one takes, kept true by running them."""
