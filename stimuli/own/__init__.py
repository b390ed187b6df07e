"""A user's own data: a folder of recordings or frames, or any torch Dataset or DataLoader by protocol."""
