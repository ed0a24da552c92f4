"""The drain's own AWS client, without boto3 (docs/decisions/0003-drain-client.md).

sqs_http, ssm_http    the calls it makes, under boto3's names
json_http             what AWS's JSON protocols have in common, with retries
http1                 connections
signing               Signature Version 4
"""
