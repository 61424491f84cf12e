"""The composition root: the command line, the servers and services of one machine."""
