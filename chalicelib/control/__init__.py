"""What people change at run time: the schedule, the capacity, the dead letters."""
