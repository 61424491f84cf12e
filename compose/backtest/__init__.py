"""The backtest: the processor's and the manager's steps over exports, in memory, and how their alarms score."""
