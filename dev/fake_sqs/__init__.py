"""A small SQS of our own: fast enough to measure clients with, and able to fail in every way AWS can.

queues  the queues themselves, time as a parameter, no I/O: the tests' fake
server  the same over HTTP with latency, TLS, faults and counters: for benchmarks and fault tests
"""
