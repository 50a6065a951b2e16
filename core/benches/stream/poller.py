"""The comparison: the stream's work as one would write it first, one record after the other (seed, lines 184-222).

Reads every shard from the oldest record on and gives each record to four sinks: an index, a counter, a cache and those who listen.
Usage: poller.py DYNAMODB-URL OPENSEARCH-URL REDIS-PORT RECORDS; prints the seconds that it took and its processor seconds.
"""

import json
import sys
import time

import boto3
import redis
from boto3.dynamodb.types import TypeDeserializer
from opensearchpy import OpenSearch

endpoint, search_url, redis_port, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
INDEX = "bench-poller"
account = {
    "endpoint_url": endpoint,
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
streams = boto3.client("dynamodbstreams", **account)
counters = boto3.resource("dynamodb", **account).Table("EchoesOps")
cache = redis.Redis(port=redis_port)
search = OpenSearch(search_url)
read = TypeDeserializer().deserialize


def index(echo):
    place = echo.get("location")
    search.index(
        index=INDEX,
        id=echo["echoId"],
        body={
            "userId": echo["userId"],
            "emotion": echo["emotion"],
            "transcript": echo.get("transcript", ""),
            "tags": echo.get("tags", []),
            "timestamp": echo["timestamp"],
            "location": place and {"lat": float(place["lat"]), "lon": float(place["lng"])},
        },
    )


def count(echo):
    hour = echo["timestamp"][:13]
    for name in ("all", hour, hour[:10], echo["userId"]):
        counters.update_item(
            Key={"pk": "poller", "sk": name},
            UpdateExpression="ADD #emotion :one",
            ExpressionAttributeNames={"#emotion": echo["emotion"]},
            ExpressionAttributeValues={":one": 1},
        )


def apply(record):
    image = {name: read(value) for name, value in record["dynamodb"]["NewImage"].items()}
    if "echoId" not in image:
        return
    index(image)
    count(image)
    cache.delete(f"feed:{image['emotion']}", f"timeline:{image['userId']}", f"echo:{image['echoId']}")
    cache.publish("live", json.dumps({"echoId": image["echoId"], "emotion": image["emotion"]}))


# The server makes no index by itself.
search.indices.create(index=INDEX)
began, done = time.monotonic(), 0
(stream,) = streams.list_streams(TableName="EchoesTable")["Streams"]
arn = stream["StreamArn"]
for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
    place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**place)["ShardIterator"]
    while iterator and done < wanted:
        page = streams.get_records(ShardIterator=iterator, Limit=1000)
        for record in page["Records"]:
            apply(record)
            done += 1
            if done == wanted:
                break
        iterator = page.get("NextShardIterator")
assert done == wanted, f"{done} of {wanted} records"
print(time.monotonic() - began, time.process_time())
