/**
 * The gateway: HAProxy and its controller. SIGTERM and SIGINT stop both, HAProxy after its requests have ended or
 * BERTH_GATEWAY_STOP_MS; SIGKILL ends the controller alone: HAProxy goes on serving and the next controller adopts it.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { LogEnv, readEnv } from "../core/env.ts";
import { openLog } from "../core/log.ts";
import { certificatesIn } from "./certificates.ts";
import { openChannel, type GatewayChannel } from "./channel.ts";
import type { ConfigOptions } from "./commands/config.ts";
import { filesOf } from "./commands/files.ts";
import { Controller } from "./controller.ts";
import { stopHaproxy } from "./haproxy.ts";
import { openHolder } from "./holder.ts";

const VERSION = "0.1.0";
const REMIND_MS = 2000;
const HOLD_AGAIN_MS = 1000;

const LISTEN = z.string().regex(/^(\*|[\d.]+|\[[\da-f:]+\]):\d+$/, "must be ADDRESS:PORT");

const Env = z.object({
  ...LogEnv,
  BERTH_DATA: z.string().default("/var/lib/berth"),
  BERTH_GATEWAY_DATA: z.string().optional(),
  BERTH_API_URL: z.url({ protocol: /^https?$/ }),
  /** Where clients reach the API: errors link to it. */
  BERTH_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  BERTH_GATEWAY_TOKEN: z.string().min(1),
  BERTH_GATEWAY_LISTEN: LISTEN.default("127.0.0.1:8080"),
  /** A second listener, for HTTPS, with every certificate (PEM, its key in it or beside it as .key) of the directory. */
  BERTH_GATEWAY_TLS_LISTEN: LISTEN.optional(),
  BERTH_GATEWAY_TLS_CERTIFICATES: z.string().startsWith("/").optional(),
  /** 1: requests without TLS are sent to `https:`. */
  BERTH_GATEWAY_TLS_FORCE: z.enum(["0", "1"]).default("0"),
  /** Backends that HAProxy has ready for apps; doubled when they run out. */
  BERTH_GATEWAY_SLOTS: z.coerce.number().int().min(1).max(100_000).default(1024),
  BERTH_GATEWAY_MAX_CONNECTIONS: z.coerce.number().int().min(100).default(8000),
  /** Requests of one app in flight, queued and held; 0 takes a quarter of all connections. */
  BERTH_GATEWAY_MAX_PER_APP: z.coerce.number().int().min(0).default(0),
  BERTH_GATEWAY_MAX_HELD: z.coerce.number().int().min(1).default(4000),
  BERTH_GATEWAY_THREADS: z.coerce.number().int().min(0).max(64).default(0),
  BERTH_GATEWAY_COUNTS_MS: z.coerce.number().int().min(10).default(5000),
  BERTH_GATEWAY_STOP_MS: z.coerce.number().int().min(0).default(5000),
});

const env = readEnv(Env, process.env);
const log = openLog("gateway", env.BERTH_LOG_LEVEL);
const dataDir = env.BERTH_GATEWAY_DATA ?? join(env.BERTH_DATA, "gateway");
// HAProxy's own user must reach the socket in it.
mkdirSync(join(dataDir, "run"), { recursive: true, mode: 0o711 });
const files = filesOf(dataDir);
const haproxyGroup = process.getuid?.() === 0 ? groupId("haproxy") : undefined;
const maxConnections = Math.min(env.BERTH_GATEWAY_MAX_CONNECTIONS, Math.floor((fileLimit() - 500) / 2.2));
const config: ConfigOptions = {
  files,
  luaDir: join(import.meta.dirname, "lua"),
  listen: env.BERTH_GATEWAY_LISTEN,
  tls: tlsOptions(),
  slotCount: env.BERTH_GATEWAY_SLOTS,
  maxConnections,
  maxPerApp: env.BERTH_GATEWAY_MAX_PER_APP || Math.ceil(maxConnections / 4),
  threads: env.BERTH_GATEWAY_THREADS,
  user: haproxyGroup === undefined ? undefined : "haproxy",
  aloneHoldMs: 30_000,
  hardStopMs: 3_600_000,
  publicUrl: new URL(env.BERTH_PUBLIC_URL ?? env.BERTH_API_URL),
};

/** Filled once HAProxy serves: what the controller says before has nobody to hear it. */
const link: { channel?: GatewayChannel } = {};
const controller = new Controller({
  config,
  log,
  version: VERSION,
  countsEveryMs: env.BERTH_GATEWAY_COUNTS_MS,
  send: (message) => link.channel?.send(message) ?? false,
  release: (slot) => holder.release(slot),
});
const holder = await openHolder({
  socketPath: files.holdSocket,
  groupId: haproxyGroup,
  maxHeld: env.BERTH_GATEWAY_MAX_HELD,
  remindMs: REMIND_MS,
  againMs: HOLD_AGAIN_MS,
  policyOf: (slot) => controller.policyOf(slot),
  onWanted: (slot) => void controller.want(slot),
});
await controller.start();
link.channel = openChannel({
  apiUrl: env.BERTH_API_URL,
  token: env.BERTH_GATEWAY_TOKEN,
  log,
  onMessage: (message) => controller.onMessage(message),
  onConnected: () => controller.onConnected(),
});
log.info({ listen: env.BERTH_GATEWAY_LISTEN, data: dataDir }, "gateway ready");

let stopping = false;
const stop = async (signal: string) => {
  if (stopping) return;
  stopping = true;
  log.info({ signal }, "gateway stops");
  await controller.stop();
  await stopHaproxy(files.pidFile, env.BERTH_GATEWAY_STOP_MS);
  link.channel?.close();
  await holder.close();
  log.info("gateway stopped");
  process.exit(0);
};
process.on("SIGTERM", () => void stop("SIGTERM"));
process.on("SIGINT", () => void stop("SIGINT"));

function tlsOptions(): ConfigOptions["tls"] {
  const { BERTH_GATEWAY_TLS_LISTEN: listen, BERTH_GATEWAY_TLS_CERTIFICATES: certificates } = env;
  if (listen === undefined) return undefined;
  if (certificates === undefined || certificatesIn(certificates).length === 0) throw new Error("BERTH_GATEWAY_TLS_LISTEN needs BERTH_GATEWAY_TLS_CERTIFICATES: a directory with at least one certificate");
  return { listen, certificates, isForced: env.BERTH_GATEWAY_TLS_FORCE === "1" };
}

function groupId(name: string): number | undefined {
  const line = readFileSync("/etc/group", "utf8").split("\n").find((one) => one.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

/** HAProxy raises its own soft limit as far as the hard one allows. */
function fileLimit(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return hard === undefined || hard === "unlimited" ? 1_000_000 : Number(hard);
}
