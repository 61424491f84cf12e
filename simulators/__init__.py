"""Devices without patients: a scripted ward in real time, and real exports on simulated time, over MQTT.

Pure: ``exports``, ``pacing``, ``ward``, ``noise``, ``truth``, ``registry`` (a port). Drivers: ``fleet``, ``replay``.
"""
