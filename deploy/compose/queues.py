"""The queues that configs/default.yaml names, on the local endpoint; made again, they stay as they are."""

import json
import os

import boto3

sqs = boto3.client("sqs", endpoint_url=os.environ["RTP_SQS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"])
fifo = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
letters = sqs.create_queue(QueueName="rtp-alerts-dlq.fifo", Attributes=fifo)["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})}
sqs.create_queue(QueueName="rtp-alerts.fifo", Attributes=fifo | redrive)
