"""The drain killed and tormented, as whole processes against the fake SQS: `make test-faults`."""
