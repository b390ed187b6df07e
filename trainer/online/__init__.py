"""Gradients of SpikingGamma networks without backpropagation through time: memory does not grow with time steps."""
