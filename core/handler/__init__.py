"""The second source: records of DynamoDB Streams, judged by the rule book in Python, in a Lambda or by a local poller.

Records become changes (`images`), changes are decided upon (`decision`) against what Redis remembers (`baselines`), and
what is significant goes to the sinks (`processor`). `docs/aws.md` has the guarantees and their reasons.
"""
