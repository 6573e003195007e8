"""`rtp serve`: one reader of the stream for many clients, over WebSocket, Server-Sent Events and REST."""
