const { userInfo, tmpdir } = require("node:os");
const server = require("node:http").createServer((_request, response) => {
  const { username, uid, gid, homedir } = userInfo();
  response.end(JSON.stringify({ username, uid, gid, homedir, cwd: process.cwd(), tmp: tmpdir(), argv: process.argv.slice(1) }));
});
server.listen(3000);
process.on("SIGTERM", () => {
  console.log("closing");
  process.exit(4);
});
