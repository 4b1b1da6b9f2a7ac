/** Runs in an instance's network namespace: passes standard input and output on to a port of its loopback. */
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";

const port = Number(process.argv[2]);

function open(host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

const socket = await open("127.0.0.1").catch(() => open("::1")).catch(() => process.exit(1));
process.stdout.write("\0");
pipeline(process.stdin, socket).catch(() => {});
await pipeline(socket, process.stdout).catch(() => {});
process.exit(0);
