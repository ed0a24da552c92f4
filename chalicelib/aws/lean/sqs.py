"""SQS over asyncio for the drain's five calls, under boto3's names. Everything else uses boto3.

Protocol: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.aws.lean.json_calls import JsonCalls, Transport
from chalicelib.aws.lean.signing import Signer

if TYPE_CHECKING:
    from mypy_boto3_sqs import type_defs as t


class AsyncSqs(JsonCalls):
    """The SQS of one endpoint. Calls may run at the same time. Every method raises CallFailed.

    Answers carry `ResponseMetadata.UnknownAttempts`: how many attempts before the last one may have done
    the work already.
    """

    def __init__(
        self, transport: Transport, signer: Signer, *, repeat_sends: bool = False, **options: Any
    ) -> None:
        """Without `repeat_sends` no message is sent again that may have arrived already.

        `options` are JsonCalls's.
        """
        super().__init__(transport, signer, "AmazonSQS", **options)
        self._repeat_sends = repeat_sends

    async def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        WaitTimeSeconds: int = 0,
        MessageSystemAttributeNames: Sequence[str] = (),
        MessageAttributeNames: Sequence[str] = (),
    ) -> t.ReceiveMessageResultTypeDef:
        request = {
            "QueueUrl": QueueUrl,
            "MaxNumberOfMessages": MaxNumberOfMessages,
            "WaitTimeSeconds": WaitTimeSeconds,
            "MessageSystemAttributeNames": MessageSystemAttributeNames,
            "MessageAttributeNames": MessageAttributeNames,
        }
        answer: t.ReceiveMessageResultTypeDef = await self.call(
            "ReceiveMessage", request, WaitTimeSeconds, check=_messages
        )
        return answer

    async def send_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.SendMessageBatchRequestEntryTypeDef]
    ) -> t.SendMessageBatchResultTypeDef:
        answer: t.SendMessageBatchResultTypeDef = await self.call(
            "SendMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries}, repeat=self._repeat_sends
        )
        return answer

    async def delete_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.DeleteMessageBatchRequestEntryTypeDef]
    ) -> t.DeleteMessageBatchResultTypeDef:
        answer: t.DeleteMessageBatchResultTypeDef = await self.call(
            "DeleteMessageBatch", {"QueueUrl": QueueUrl, "Entries": Entries}
        )
        return answer

    async def change_message_visibility_batch(
        self, *, QueueUrl: str, Entries: Sequence[t.ChangeMessageVisibilityBatchRequestEntryTypeDef]
    ) -> t.ChangeMessageVisibilityBatchResultTypeDef:
        request = {"QueueUrl": QueueUrl, "Entries": Entries}
        answer: t.ChangeMessageVisibilityBatchResultTypeDef = await self.call(
            "ChangeMessageVisibilityBatch", request
        )
        return answer

    async def get_queue_attributes(
        self, *, QueueUrl: str, AttributeNames: Sequence[str]
    ) -> t.GetQueueAttributesResultTypeDef:
        """Of attributes that are whole numbers."""

        def check(answer: Mapping[str, Any]) -> None:
            for name in AttributeNames:
                int(answer["Attributes"][name])

        request = {"QueueUrl": QueueUrl, "AttributeNames": AttributeNames}
        answer: t.GetQueueAttributesResultTypeDef = await self.call(
            "GetQueueAttributes", request, check=check
        )
        return answer


def _messages(answer: Mapping[str, Any]) -> None:
    """Raises one of json_calls.MALFORMED for a message that lacks what its reader needs."""
    for message in answer.get("Messages") or ():
        if not type(message["Body"]) is type(message["ReceiptHandle"]) is type(message["MessageId"]) is str:
            raise TypeError
        int(message.get("Attributes", {}).get("SentTimestamp", 0))
        for attribute in message.get("MessageAttributes", {}).values():
            attribute.get("StringValue")
