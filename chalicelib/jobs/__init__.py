"""Bulk work over what is already there, on S3 Batch Operations (docs/jobs.md).

api           the REST calls about jobs
new_job       a request for one, checked
batch_jobs    jobs on the service itself
manifests     what objects a job is about; stored_manifests in S3
backfill      one task, done by our function; old_tags for undoing
reports       what became of each object; report_pages for people
"""
