"""Reads what is stored, for people: status, records of the log, and the queries of pages to come."""
