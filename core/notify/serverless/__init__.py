"""`rtp notify` as a Lambda function."""
