"""The verbs of the command line, a file each; what is slow to import is imported when a verb needs it."""
