"""The front door: verbs, exit codes, report."""
