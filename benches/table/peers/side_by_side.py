import asyncio
import ssl
import sys

import aiohttp


async def main():
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    tls.load_cert_chain("client.crt", "client.key")
    connector = aiohttp.TCPConnector(limit=int(sys.argv[1]), ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def read(url):
            async with session.get(url) as answer:
                assert answer.status in (200, 404)
                await answer.json()

        await asyncio.gather(*map(read, open("urls.txt").read().split()))


asyncio.run(main())
