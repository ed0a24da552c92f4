"""What if so many objects came: how long, how much at once, which limit, and for how much. Pure arithmetic.

scenario (what is asked) -> forecast (the ticks) -> quotas (what AWS allows) -> costs (what it takes) -> plan
"""
