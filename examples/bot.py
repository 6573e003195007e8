"""Tells when a price leaves its peg or is back, and goes on where it was when it is started again."""

import asyncio
import os
from pathlib import Path

from rtp_client import Client

PLACE = Path("bot.position")


async def main() -> None:
    resume = PLACE.read_text() if PLACE.exists() else None
    async with Client(os.environ["RTP_URL"], os.environ.get("RTP_TOKEN")) as client:
        async for live in client.events(kind="price", reason=["depeg", "repeg"], resume=resume):
            data = live.event.data
            print(f"{data.entity} on {data.chain}: {data.reason} at {data.current}", flush=True)
            PLACE.write_text(str(live.position))


asyncio.run(main())
