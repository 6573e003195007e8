"""Dead letters as people handle them: listed, shown, delivered again, dropped; from the database and from SQS alike."""
