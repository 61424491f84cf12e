"""The drivers: one file or package for each server or library, and the runner that services share."""
