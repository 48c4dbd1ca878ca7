import requests
import urllib3

urllib3.disable_warnings()
session = requests.Session()
# A bundle of authorities in the environment would be believed instead of what stands here.
session.trust_env = False
session.cert = ("client.crt", "client.key")
session.verify = False
for url in open("urls.txt").read().split():
    answer = session.get(url)
    assert answer.status_code in (200, 404)
    answer.json()
