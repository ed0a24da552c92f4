"""Other emulators of AWS, for a second opinion: LocalStack and moto's server, each in its own environment.

`python -m dev.second_opinion` starts both and runs the tests that ask them; `make test-second-opinion` first
makes the environments. LocalStack 2026 wants Python 3.13.
"""
