"""Dead letters as they are kept: filed, counted, read, sent back, thrown away.

dead-letter queue -> filing -> letters/ in the reports bucket -> resend -> source queue
"""
