"""HDF5 files from strangers, read without links, plugins or surprises."""
