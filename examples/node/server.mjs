// Streams: one line at once, one a second later. `curl -N` shows that nothing on the way holds lines back.
import http from "node:http";

const server = http.createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  response.write(`Hello from Node ${process.version}\n`);
  setTimeout(() => response.end("and goodbye\n"), request.url === "/slow" ? 1000 : 0);
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(`listening on port ${port}`));
// Requests that are under way end first.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
