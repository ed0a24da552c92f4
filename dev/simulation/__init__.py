"""The pipeline under everything that SQS, Lambda and people can do to it, on a clock that is a number.

clock       virtual time; asyncio's tasks, and plain functions that only seem to block
threads     concurrent.futures on that clock
sqs         SQS at its least helpful, effects only
network     what goes wrong between our code and AWS; the clients
lambdas     sandboxes, the schedule, the poller, asynchronous events
deployed    the limits, read where they are set
boundary    the product's names for time, threads and AWS, led into the world
scenario    what a seed stands for
world       one stage, from the first upload until nothing moves any more
census      where every event is
invariants  what must hold
planted     faults put into the code, each of which must be found
"""
