"""What networks are fed with: data sets by name, read from disk as frames of counts."""
