"""The container's health check: whether what runs in it answers /healthz with 200."""

import os
import sys
from http.client import HTTPConnection, HTTPException

port = os.environ.get("RTP_HEALTH_PORT", "9464")
connection = HTTPConnection("127.0.0.1", int(port), timeout=2)
try:
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
except (OSError, HTTPException) as error:
    sys.exit(f"/healthz on port {port}: {error}")
sys.exit(0 if status == 200 else f"/healthz on port {port}: {status}")
