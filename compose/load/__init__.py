"""A load test on a running stack: starts the devices of `simulators.load`, and watches what becomes of their readings.

``run`` is the whole of it; ``workers`` are the devices' processes; ``logs``, ``store`` and ``feed`` watch log,
database and feed; ``processes`` what each process costs; ``show`` tells a person how it goes.
"""
