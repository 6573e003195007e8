"""The second source: records of DynamoDB Streams, judged by the rule book in Python, in a Lambda or by a local poller.

Batch by batch (`batch`), records become changes (`images`); these are decided upon (`decision`) against what Redis
remembers (`baselines`), and what is significant goes to the sinks (`settlement`, `alerts`). What Redis may have lost is
made right from old images and tables (`recollection`, `rebuild`); every change is in the cache (`current`), and what is
read stays there (`freshness`). `docs/explanation/aws.md` has the guarantees and their reasons.
"""
