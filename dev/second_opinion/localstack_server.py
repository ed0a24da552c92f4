"""LocalStack in host mode, run by the Python of its own environment: `python localstack_server.py`.

Without Docker it cannot run a function, and would call each one failed. Here a function is taken, and whoever
invokes it is told that it does not run. And its IAM refuses the ARN of a job of S3 Batch Operations, which
AWS writes with region and account: arn:aws:s3:REGION:ACCOUNT:job/ID.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-resources-for-iam-policies
"""

from localstack.runtime import main
from localstack.services.iam.policy_validation import IAMPolicyDocumentValidator
from localstack.services.lambda_.invocation import runtime_executor

_validate = IAMPolicyDocumentValidator._validate_resource_format


class NeverRun(runtime_executor.RuntimeExecutor):
    """Takes every function."""

    def start(self, env_vars):
        raise runtime_executor.LambdaRuntimeException("no function runs here: LocalStack without Docker")

    def stop(self):
        """Nothing was started."""

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return "http://127.0.0.1"

    def invoke(self, payload):
        raise runtime_executor.LambdaRuntimeException("no function runs here: LocalStack without Docker")

    def get_logs(self):
        return ""

    @classmethod
    def prepare_version(cls, function_version):
        """Nothing is needed."""

    @classmethod
    def cleanup_version(cls, function_version):
        """Nothing is left."""


def validate_resource_format(self, resource):
    """Not of a job's ARN."""
    if not (resource.startswith("arn:aws:s3:") and ":job/" in resource):
        _validate(self, resource)


IAMPolicyDocumentValidator._validate_resource_format = validate_resource_format
runtime_executor.get_runtime_executor = lambda: NeverRun

if __name__ == "__main__":
    main.main()
