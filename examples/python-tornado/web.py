"""A Tornado app, as in Tornado's own introduction."""
import asyncio
import os

import tornado.web


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello from Tornado\n")


async def main():
    tornado.web.Application([(r"/.*", MainHandler)]).listen(int(os.environ.get("PORT", "8888")))
    await asyncio.Event().wait()


asyncio.run(main())
