"""The meaning of an integer network: a plain simulator, its compiled twin, and how traces are compared."""
