"""What judges a partition: every limit recounted from single synapses, and the sentence that says what is exceeded."""
