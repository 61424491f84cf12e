"""People who do not exist: activity, heart and glucose as functions of the seed, the person and the time. Pure.

Everything is addressed, nothing is remembered: a value at a time is the same whoever asks, in whatever order, from
whichever process. So a ward's past and its present are one course. Times are µs UTC; arrays are (people, instants).

``people`` are constants of each person; ``activity`` is the latent signal that drives ``heart`` (up) and ``glucose``
(down); ``sensor`` is the error of a glucose sensor, ``faults`` what devices do wrong, ``course`` joins them at whole
minutes.
"""
