"""The compiled kernels of ``sim_reference.fast``; nothing here is called from elsewhere."""
