/**
 * A second node for a whole stack: its agent runs in a network namespace that stands for another host, joined to this one
 * by a cable, with its own data directory, pinned mount namespace, network prefix and subnet.
 */
import { randomInt } from "node:crypto";
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { nodes } from "../../core/db/schema.ts";
import { ensureNode } from "../../core/db/system-queries/bootstrap.ts";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";
import { withDb } from "../../infra/berth.ts";
import { REPOSITORY, type BerthConfig } from "../../infra/config.ts";
import { buildParts } from "../../infra/parts.ts";
import { killSandboxes, removeFromHost } from "../../infra/teardown.ts";
import { until, type Stack } from "./stack.ts";

const TOKEN = "the-second-node-token";

/** The cable between this host and the other one. */
export class Cable {
  readonly #tag = randomInt(36 ** 3).toString(36).padStart(3, "0");
  readonly netns = `b2${this.#tag}`;
  readonly #link = `b2${this.#tag}0`;
  readonly #net = `198.19.${randomInt(256)}`;
  readonly here = `${this.#net}.1`;
  readonly there = `${this.#net}.2`;
  /** UDP; of this host, which may have other Berths. */
  readonly tunnelPort = 20_000 + randomInt(10_000);

  static async lay(): Promise<Cable> {
    const cable = new Cable();
    try {
      await run(["ip", "netns", "add", cable.netns]);
      const here = [`link add ${cable.#link} type veth peer name outside netns ${cable.netns}`, `addr add ${cable.here}/30 dev ${cable.#link}`, `link set ${cable.#link} up`, ""];
      await run(["ip", "-batch", "-"], { input: here.join("\n") });
      await run(["ip", "-n", cable.netns, "-batch", "-"], { input: ["link set lo up", `addr add ${cable.there}/30 dev outside`, "link set outside up", ""].join("\n") });
      return cable;
    } catch (error) {
      await cable.remove();
      throw error;
    }
  }

  /** For the stack whose own node is at this end. */
  settings(): Record<string, string> {
    return { BERTH_NODE_ADDRESS: this.here, BERTH_NODE_WAKE_LISTEN: `${this.here}:0`, BERTH_TUNNEL_PORT: String(this.tunnelPort) };
  }

  async remove(): Promise<void> {
    await runUnchecked(["ip", "netns", "delete", this.netns]);
    await runUnchecked(["ip", "link", "delete", this.#link]);
  }
}

export class SecondNode {
  readonly name = "node-2";
  readonly #stack: Stack;
  readonly #cable: Cable;
  readonly #dir = mkdtempSync(join(tmpdir(), "berth-node-"));
  readonly prefix = `n${randomInt(36 ** 3).toString(36).padStart(3, "0")}`;
  readonly #subnet = `10.${90 + randomInt(60)}.${16 * randomInt(16)}.0/20`;
  readonly #servers: Server[] = [];
  #forwarder: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #log = "";

  private constructor(stack: Stack, cable: Cable) {
    this.#stack = stack;
    this.#cable = cable;
    chmodSync(this.#dir, 0o711);
  }

  static async start(stack: Stack, cable: Cable): Promise<SecondNode> {
    const node = new SecondNode(stack, cable);
    try {
      await withDb(stack.config, (db) => ensureNode(db, node.name, TOKEN));
      await node.#forward([Number(new URL(stack.apiUrl).port), stack.config.ports.s3]);
      await node.run();
      return node;
    } catch (error) {
      await node.stop();
      throw new Error(`the second node did not start:\n${node.log}`, { cause: error });
    }
  }

  get log(): string {
    return this.#log.slice(-8000);
  }

  /** Starts the agent, as after a boot of its host. */
  async run(): Promise<void> {
    await run([join(REPOSITORY, "infra/sandbox-namespace")], { env: { PATH: process.env["PATH"] ?? "", BERTH_DATA: this.#dir } });
    const since = new Date();
    const part = buildParts(this.#stack.config).find(({ name }) => name === "agent");
    const env = {
      ...part?.env,
      BERTH_DATA: this.#dir,
      BERTH_NODE_TOKEN: TOKEN,
      BERTH_NODE_NAME: this.name,
      BERTH_NODE_DATA: join(this.#dir, "node"),
      BERTH_NET_PREFIX: this.prefix,
      BERTH_SUBNET: this.#subnet,
      BERTH_NODE_ADDRESS: this.#cable.there,
      BERTH_NODE_WAKE_LISTEN: `${this.#cable.there}:0`,
      BERTH_NETNS_READY: "2",
    };
    const argv = ["nsenter", `--net=/run/netns/${this.#cable.netns}`, `--mount=${join(this.#dir, "run/mnt")}`, "--", process.execPath, join(REPOSITORY, "node-agent/main.ts")];
    const child = start(argv, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#agent = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (this.#log += data.toString()));
    child.on("exit", () => (this.#agent = undefined));
    await until(async () => {
      if (this.#agent !== child) throw new Error("the agent ended");
      const [row] = await withDb(this.#stack.config, (db) => db.select({ at: nodes.lastSeenAt }).from(nodes).where(eq(nodes.name, this.name)));
      return (row?.at?.getTime() ?? 0) >= since.getTime();
    });
  }

  /** SIGKILL of the agent alone. */
  async killAgent(): Promise<void> {
    const child = this.#agent;
    if (child === undefined) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** SIGKILL of the agent, of all instances and of what watches them. */
  async killAll(): Promise<void> {
    await this.killAgent();
    await killSandboxes(this.#config());
  }

  async stop(): Promise<void> {
    await this.killAll();
    await removeFromHost(this.#config());
    // What the agent made in the other host goes with that host.
    this.#forwarder?.kill("SIGKILL");
    for (const server of this.#servers) server.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #config(): BerthConfig {
    return { netPrefix: this.prefix, runDir: join(this.#dir, "run") } as BerthConfig;
  }

  /** The API and the blob store listen on this host's loopback: on the other host's, too, at the same ports. */
  async #forward(ports: readonly number[]): Promise<void> {
    for (const port of ports) {
      const server = createServer((from) => {
        const to = connect(port, "127.0.0.1");
        from.pipe(to).pipe(from);
        for (const socket of [from, to]) socket.on("error", () => [from, to].forEach((each) => each.destroy())).on("close", () => [from, to].forEach((each) => each.destroy()));
      });
      server.listen(port, this.#cable.here).unref();
      await once(server, "listening");
      this.#servers.push(server);
    }
    const script = `const { connect, createServer } = require("node:net");
      for (const port of ${JSON.stringify(ports)}) createServer((from) => {
        const to = connect(port, ${JSON.stringify(this.#cable.here)});
        from.pipe(to).pipe(from);
        for (const s of [from, to]) s.on("error", () => { from.destroy(); to.destroy(); }).on("close", () => { from.destroy(); to.destroy(); });
      }).listen(port, "127.0.0.1");`;
    this.#forwarder = start(["setpriv", "--pdeathsig=KILL", "--", "nsenter", `--net=/run/netns/${this.#cable.netns}`, "--", process.execPath, "-e", script], { stdio: "ignore" });
  }
}
