"""Lambda's own runtime on this machine: AWS's Runtime Interface Client over a deployment package.

    with sandbox(runtime, package, "app.drain", settings) as lambda_:
        lambda_.invoke(event)

Nothing of the development environment is visible to the function: an empty environment but for what Lambda
and the stage set, no site-packages, and as libraries only what Lambda's image brings (boto3 and the client).
"""
