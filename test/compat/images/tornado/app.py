import asyncio, getpass, os, tornado

class Main(tornado.web.RequestHandler):
    def get(self):
        self.write({"user": getpass.getuser(), "cwd": os.getcwd(), "utf8": "grüße"})

async def main():
    tornado.web.Application([("/", Main)]).listen(8000)
    await asyncio.Event().wait()

asyncio.run(main())
