"""Drills: whole stacks put to the test; each prints a JSON verdict and ends with an exit code."""
