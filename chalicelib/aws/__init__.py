"""AWS: the clients, and its refusals as errors of ours."""
