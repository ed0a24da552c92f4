"""S3 event scheduler: bursts of uploads become work at the pace the downstream can take.

    images bucket -> enqueue -> source queue -> drain -> destination queue -> consume -> action

enqueue.py    every object-created event goes on the source queue
drain/        once a minute, one tick: at most CAPACITY events go on to the destination queue
consume/      one action per event: log it, make its thumbnails, or start an execution
jobs/         bulk work over what is already there, on S3 Batch Operations
monitoring/   what the person on call sees
control/      what they change
planning/     what if so many objects came
page/         the page over all of these; api/ is what their routes share

Below them: thumbnails/ (an image in, its thumbnails out), queues/, aws/, telemetry/, config/, and the
leaves events, fields, errors, capacity, times. Imports point down, never up (`make check`).

A message leaves a queue only after the next place has confirmed it. What can never work goes to
the dead-letter queue with its reason; what may work later is tried again.
"""
