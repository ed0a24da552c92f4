"""Bulk work over what is already there, on S3 Batch Operations (docs/jobs.md).

commands      what REST and the command line may ask for; new_job a request for a job, checked
batch_jobs    jobs on the service itself
sources       where a job's objects come from; manifests their lines, stored_manifests in S3
task          one task, done by our function
tags          what S3 allows; undo the tags that objects had
reports       what became of each object; report_pages for people
cost          of a job
"""
