/** A neighbour of the host that takes connections on ports 8000 and 8001 and throws away what comes. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";
import { until, type TestNode } from "./node.ts";

export async function sinkOf(node: TestNode, address: string) {
  const name = `${node.prefix}-w`;
  const third = randomInt(256);
  const [near, far] = [`198.19.${third}.1`, `198.19.${third}.2`];
  const device = `${node.prefix}w0`;
  await run(["ip", "netns", "add", name]);
  await run(["ip", "-batch", "-"], { input: [`link add ${device} type veth peer name eth0 netns ${name}`, `addr add ${near}/30 dev ${device}`, `link set ${device} up`, `route add ${address}/32 via ${far} dev ${device}`, ""].join("\n") });
  await run(["ip", "-n", name, "-batch", "-"], { input: ["link set lo up", `addr add ${far}/30 dev eth0`, `addr add ${address}/32 dev eth0`, "link set eth0 up", `route add ${node.subnet} via ${near} src ${address}`, ""].join("\n") });
  const script = `for (const port of [8000, 8001]) require("net").createServer((s) => { s.on("error", () => {}); s.resume(); }).listen(port, "0.0.0.0", () => console.log("up"))`;
  const child = start(["ip", "netns", "exec", name, process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout?.on("data", (data: Buffer) => (said += data.toString()));
  await until(() => said.split("up").length > 2);
  const from = (text: string) => run(["ip", "netns", "exec", name, process.execPath, "-e", text]);
  return {
    /** «open», «silence» or the error. */
    connects: async (to: string | undefined, port: number) =>
      (await from(`const s = require("net").connect({ host: ${JSON.stringify(to)}, port: ${port}, timeout: 1000 }); const end = (word) => { console.log(word); process.exit() };
        s.on("connect", () => end("open")); s.on("timeout", () => end("silence")); s.on("error", (e) => end(e.code))`)).stdout.trim(),
    /** What a question for a name gets there. */
    asks: async (server: string) =>
      (await from(`const { Resolver } = require("dns/promises"); const r = new Resolver({ timeout: 700, tries: 1 }); r.setServers([${JSON.stringify(server)}]);
        r.resolve4("db.internal").then((a) => console.log(JSON.stringify(a)), (e) => console.log(e.code === "ETIMEOUT" ? "silence" : e.code))`)).stdout.trim(),
    remove: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      await runUnchecked(["ip", "netns", "delete", name]);
    },
  };
}
