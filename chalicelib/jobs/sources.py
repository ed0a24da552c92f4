"""Where a job's objects come from, made ready for S3 Batch Operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chalicelib.config import Config
from chalicelib.errors import BadRequest, Conflict
from chalicelib.jobs import batch_jobs, stored_manifests, undo
from chalicelib.jobs.batch_jobs import job_of
from chalicelib.jobs.new_job import NewJob
from chalicelib.jobs.stored_manifests import Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_s3control.type_defs import JobManifestGeneratorTypeDef


# API Gateway waits 29 s (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). These are
# what fits in well under that; the command has no such limits.
REQUEST_MANIFEST_BYTES = 50_000_000
REQUEST_LISTED = 100_000  # objects
REQUEST_OLD_TAGS = 2_000  # objects


def prepare(
    new: NewJob, s3: S3Client, s3control: S3ControlClient, config: Config, in_request: bool
) -> tuple[Manifest | JobManifestGeneratorTypeDef, Manifest | None]:
    """The manifest and, where it was asked for, the restore manifest."""
    images = config.images_bucket
    if new.kind == "undo":
        return _restore_manifest(new, s3, s3control, config, in_request), None
    if new.source == "generate":
        return generator(new, config), None
    if new.source in ("inventory", "csv"):
        bucket = readable_bucket(new.uri, config)
        # The reports bucket is for who may ask this API; another one may hold what is not.
        quoting = not in_request or bucket == config.reports_bucket
    if new.source == "inventory":
        found = stored_manifests.checked_inventory(
            s3, new.uri, images_bucket=images, readable=readable_buckets(config), quoting=quoting
        )
        return found, None
    if new.source == "csv":
        manifest = stored_manifests.checked_csv(
            s3,
            new.uri,
            images_bucket=images,
            etag=new.etag,
            max_bytes=REQUEST_MANIFEST_BYTES if in_request else None,
            quoting=quoting,
        )
    else:
        lines = stored_manifests.listed(s3, images, new.prefix, new.suffix)
        if in_request:
            lines = _at_most(REQUEST_LISTED, lines)
        if new.check:
            return stored_manifests.counted(lines), None
        manifest = stored_manifests.write(
            s3, config.reports_bucket, f"{new.folder}/manifest.csv", lines, ("Bucket", "Key")
        )
    if not new.keep_old_tags or new.check:
        return manifest, None
    if in_request and (manifest.objects or 0) > REQUEST_OLD_TAGS:
        raise BadRequest(
            "keep_old_tags",
            f"the tags of {manifest.objects:,} objects cannot be read within a request "
            f"({REQUEST_OLD_TAGS:,}); use the command, python -m infra jobs",
        )
    restore = stored_manifests.write(
        s3,
        config.reports_bucket,
        f"{new.folder}/restore.csv",
        undo.restore_lines(s3, stored_manifests.rows(s3, manifest)),
        manifest.fields,
    )
    return manifest, restore


def _at_most(limit: int, lines: Iterator[str]) -> Iterator[str]:
    for number, text in enumerate(lines, 1):
        if number > limit:
            raise BadRequest(
                "manifest.list",
                f"more than {limit:,} objects cannot be listed within a request; "
                "use generate, or the command, python -m infra jobs",
            )
        yield text


def readable_buckets(config: Config) -> tuple[str, ...]:
    """Those in which the jobs role may read manifests."""
    return config.reports_bucket, *config.manifest_buckets


def readable_bucket(uri: str, config: Config) -> str:
    """The manifest's bucket, from which the jobs role may read it. Raises BadRequest for any other.

    S3 Batch Operations reads the manifest as that role, and would fail the job.
    """
    bucket, _ = stored_manifests.parse_uri(uri)
    if bucket not in readable_buckets(config):
        raise BadRequest(
            "manifest",
            f"the jobs role may not read bucket {bucket!r}: put the manifest into {config.reports_bucket!r} "
            f"(under manifests/), or name its bucket in MANIFEST_BUCKETS and deploy",
        )
    return bucket


def _restore_manifest(
    new: NewJob, s3: S3Client, s3control: S3ControlClient, config: Config, in_request: bool
) -> Manifest:
    job = job_of(new.undo_of, s3control, config)
    key = f"{job.report_prefix}/restore.csv"
    if job.report_bucket != config.reports_bucket or not stored_manifests.exists(
        s3, config.reports_bucket, key
    ):
        raise Conflict(f"job {job.id} was not created with keep_old_tags: there is nothing to put back")
    if job.status not in batch_jobs.TERMINAL:
        raise Conflict(f"job {job.id} is {job.status}: cancel it, or wait for its end, before undoing it")
    return stored_manifests.checked_csv(
        s3,
        f"s3://{config.reports_bucket}/{key}",
        images_bucket=config.images_bucket,
        max_bytes=REQUEST_MANIFEST_BYTES if in_request else None,
    )


def generator(new: NewJob, config: Config) -> JobManifestGeneratorTypeDef:
    partition = config.jobs_role_arn.split(":")[1]
    names: dict[str, list[str]] = {}
    if new.prefix:
        names["MatchAnyPrefix"] = [new.prefix]
    if new.suffix:
        names["MatchAnySuffix"] = [new.suffix]
    wanted: dict[str, Any] = {"KeyNameConstraint": names} if names else {}
    if new.created_after:
        wanted["CreatedAfter"] = new.created_after
    generator: dict[str, Any] = {
        "SourceBucket": f"arn:{partition}:s3:::{config.images_bucket}",
        "EnableManifestOutput": False,
    }
    if wanted:
        generator["Filter"] = wanted
    return {"S3JobManifestGenerator": generator}  # type: ignore[typeddict-item]
