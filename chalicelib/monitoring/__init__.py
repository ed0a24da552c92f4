"""What the person on call sees: where everything stands, and where one object is (docs/api.md).

status        the snapshot behind GET /status; eta when the backlog will be gone
measures      what CloudWatch has measured
log_reader    what the functions have logged
tracing       one object, asked for everywhere; whereabouts decides from what was found
together      several questions at once; recall keeps answers for a while
"""
