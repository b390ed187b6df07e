"""The network as the partitioner sees it: a hypergraph, its twins, and the cores that each net reaches."""
