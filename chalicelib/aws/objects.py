"""An object of S3 that may not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

# Without s3:ListBucket, S3 answers 403 for a key that is not there.
ABSENT = (403, 404)


def head(
    s3: S3Client, bucket: str, key: str, absent: tuple[int, ...] = ABSENT
) -> HeadObjectOutputTypeDef | None:
    """What S3 says of the object; None where the answer is one of `absent`."""
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] in absent:
            return None
        raise
