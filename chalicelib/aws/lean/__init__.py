"""AWS without boto3, for the two functions on every event's way (docs/decisions/0003-drain-client.md).

sqs, ssm      the calls they make, under boto3's names
json_calls    what AWS's JSON protocols have in common, with retries
fast_json     JSON for the drain, by orjson
http1         connections
signing       Signature Version 4
connect       endpoint, region and credentials
"""
