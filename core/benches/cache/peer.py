"""The comparison: the same feed from a dictionary, then Redis, by FastAPI under uvicorn."""

import os
import time

import redis.asyncio
from fastapi import FastAPI, HTTPException, Response

app = FastAPI()
memory = {}
shared = redis.asyncio.Redis(port=int(os.environ["REDIS_PORT"]))


@app.get("/v1/emotions/{emotion}/echoes")
async def feed(emotion: str, limit: int = 20):
    key = f"feed:{emotion}:{limit}"
    entry = memory.get(key)
    if entry is None or entry[0] < time.monotonic():
        body = await shared.get(key)
        if body is None:
            raise HTTPException(404)
        entry = memory[key] = (time.monotonic() + 5, body)
    return Response(entry[1], media_type="application/json")
