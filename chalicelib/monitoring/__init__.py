"""What the person on call sees: where everything stands, and where one object is (docs/api.md).

status        the snapshot behind GET /status; verdict its sentence; eta when the backlog will be gone
measures      what CloudWatch has measured
cloudwatch    many metrics asked for at once
log_search    what the functions have logged; recent what of it is the newest
object_search objects by prefix
object_trace  one object, asked for everywhere; object_state decides from what was found
parallel      several questions at once; cache keeps answers for a while
"""
