// The original scheduler's drain, made again from its description, with the SDK it used (aws-sdk 2).
// node original.cjs SOURCE DESTINATION CAPACITY; prints the same line of JSON as contender.py.
const AWS = require('aws-sdk');
const [source, destination, capacity] = process.argv.slice(2);
const sqs = new AWS.SQS({
  endpoint: new URL(source).origin, region: 'us-east-1', accessKeyId: 'test', secretAccessKey: 'test',
});

async function drain() {
  let sent = 0;
  for (let i = 0; i < Number(capacity) / 10; i++) {
    const answer = await sqs.receiveMessage({ QueueUrl: source, MaxNumberOfMessages: 10 }).promise();
    if (!answer.Messages) break;
    const entries = [];
    for (const message of answer.Messages) {
      const body = JSON.parse(message.Body);
      entries.push({ Id: message.MessageId, ReceiptHandle: message.ReceiptHandle });
      try {
        await sqs.sendMessage({
          QueueUrl: destination, DelaySeconds: 0, MessageAttributes: {}, MessageBody: JSON.stringify(body),
        }).promise();
        sent++;
      } catch (error) {
        console.error(error);
      }
    }
    sqs.deleteMessageBatch({ QueueUrl: source, Entries: entries }, () => {}); // not awaited
  }
  return sent;
}

const began = process.hrtime.bigint();
const cpu = process.cpuUsage();
drain().then((events) => {
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({
    name: 'original in Node', workers: 1, events,
    seconds: Number(process.hrtime.bigint() - began) / 1e9,
    cpu_s: (used.user + used.system) / 1e6,
    rss_mb: process.resourceUsage().maxRSS / 1024,
  }));
});
