"""Seconds and how they read, in Python and on the page alike."""

DURATIONS = [
    (0, "0 s"),
    (0.84, "0.8 s"),
    (9.96, "10 s"),
    (42, "42 s"),
    (59.6, "1 min"),
    (130, "2 min 10 s"),
    (3599, "59 min 59 s"),
    (11_100, "3 h 5 min"),
    (86_400, "1 d"),
    (900_840, "10 d 10 h"),
    (365 * 86_400, "365 d"),
]
