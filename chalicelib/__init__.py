"""S3 event scheduler: bursts of uploads become work at the pace the downstream can take.

    images bucket -> enqueue -> source queue -> drain -> destination queue -> consume -> action

enqueue   takes every object-created event and puts it on the source queue
drain     once a minute, one tick: moves at most CAPACITY events to the destination queue
consume   does one action per event: log it, make its thumbnails, or start an execution

Each has a module of its name; actions/ has what consume does. jobs/ is bulk work over what is already there;
seeing/ and steering are behind the API in routes/, web/ is its page; client/ is the drain's own AWS client,
imaging/ what thumbnails.py is made of, planning/ the what-if.

A message leaves a queue only after the next place has confirmed it. What can never work goes to
the dead-letter queue with its reason; what may work later is tried again.
"""
