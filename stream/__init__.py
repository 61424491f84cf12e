"""From the log to windows and episodes (the processor, pure), and from the log to the database (the sink)."""
