"""The Triton engine: one program a sample, its registers in fast memory, nothing asked of the host inside a batch."""
