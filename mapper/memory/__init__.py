"""What a network takes on a core: how synapses lie in memory, bounds that add up, exact words, shared settings."""
