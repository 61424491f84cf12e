"""A load test: an open-loop offer of readings over thousands of MQTT connections, and what became of them.

Pure: ``plan`` (what is sent when), ``packets`` and ``session`` (MQTT without a socket), ``tally`` (what was lost,
doubled, re-ordered), ``limits`` (what bounds), ``search`` (the largest load), ``report``, ``compare``, ``page``.
Drivers: ``histogram`` (its library), ``client`` (a device), ``worker`` (a process of many devices). Who watches log,
database and feed is in ``compose/load/``.
"""
