"""The kernels of the compiled engine: one sample at a time, work only where spikes are."""
