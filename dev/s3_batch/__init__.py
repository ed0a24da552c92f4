"""S3 Batch Operations on a laptop: a development server, never deployed.

`boto3.client("s3control")` talks to it unmodified; objects, manifests, reports and functions are those of
the local AWS it is given.

    wire        requests and answers as botocore's own model of the service describes them
    server      HTTP: which operation, its parameters, its answer or its error
    control     the control plane: create, describe, list, update, tag; tokens and paging
    engine      a job's life: prepare the manifest, run its tasks, write the report
    manifests   every kind of manifest as one stream of tasks
    reports     the completion report, file by file
    roles       clients with the rights of a job's role
    operations  what one task does: PutObjectTagging, LambdaInvoke

What AWS does, and where that is uncertain: docs/s3-batch-operations.md.
"""

# Any host name will do: it is never resolved, because the request goes to the proxy (see `environment`).
ENDPOINT = "http://s3control.local"


def environment(port: int) -> dict[str, str]:
    """The environment that sends a process's s3control calls to the server at this port.

    botocore puts the account's number before every s3control host, also before one that was set by hand,
    and 000000000000.127.0.0.1 does not resolve. A proxy needs no resolving: the client asks the server
    for the whole URL, and the client itself stays as it is in production.
    """
    return {
        "AWS_ENDPOINT_URL_S3_CONTROL": ENDPOINT,
        "HTTP_PROXY": f"http://127.0.0.1:{port}",
        "NO_PROXY": "localhost,127.0.0.1",
    }
