"""Signs one call with botocore and prints the headers to send as JSON.

The argument is JSON: method, url, headers, body, service, region, accessKeyId, secretAccessKey, and payloadHash where
that is to be something else than the body's SHA-256.
"""

import hashlib
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

call = json.loads(sys.argv[1])
body = call["body"].encode()
headers = dict(call["headers"])
headers["x-amz-content-sha256"] = call.get("payloadHash") or hashlib.sha256(body).hexdigest()
request = AWSRequest(method=call["method"], url=call["url"], headers=headers, data=body)
credentials = Credentials(call["accessKeyId"], call["secretAccessKey"])
SigV4Auth(credentials, call["service"], call["region"]).add_auth(request)
json.dump({name.lower(): value for name, value in request.headers.items()}, sys.stdout)
