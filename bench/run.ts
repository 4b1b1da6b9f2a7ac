/**
 * All benchmarks in one run on one host: `npm run bench`. Boots a Berth of its own and the peers that are installed,
 * alternates them, and writes `docs/benchmarks.md`. Name sections to run only these: `npm run bench -- start memory`.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, release, totalmem, tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { start } from "../core/host/spawn.ts";
import { favorCgroupChanges, restoreCgroupChanges } from "../infra/cgroup-changes.ts";
import { startStack, type Stack } from "../test/support/stack.ts";
import { changeToUrl } from "./change-to-url.ts";
import { density } from "./density.ts";
import { idle } from "./idle.ts";
import { instanceMemory } from "./instance-memory.ts";
import { instanceStart } from "./instance-start.ts";
import { rollback } from "./rollback.ts";
import { atEnd, endAll } from "./support/at-end.ts";
import { openPodman, startDocker, type Peer } from "./support/peers.ts";
import { toMarkdown, type Row } from "./support/report.ts";
import { wake } from "./wake.ts";

const DOCUMENT = new URL("../docs/benchmarks.md", import.meta.url).pathname;
const SECTIONS = ["deploy", "start", "rollback", "wake", "idle", "memory", "density", "noisy", "isolation", "gateway", "api"] as const;
type Section = (typeof SECTIONS)[number];

interface GatewayFigures {
  [name: string]: unknown;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !SECTIONS.includes(name as Section));
if (unknown.length > 0) {
  console.error(`there is no section ${unknown.join(", ")}: there are ${SECTIONS.join(", ")}`);
  process.exit(2);
}
const wants = (section: Section) => asked.length === 0 || asked.includes(section);
const say = (text: string) => console.log(text);

const dir = await mkdtemp(join(tmpdir(), "berth-bench-"));
atEnd(() => rm(dir, { recursive: true, force: true }));
const parts: string[] = [];
try {
  // As `infra/up` does; the peers have it too.
  atEnd(() => restoreCgroupChanges(dir));
  await favorCgroupChanges(dir);
  if (wants("deploy") || wants("start") || wants("rollback") || wants("memory")) {
    say("· starting a Berth and its peers");
    const stack = await startStack();
    atEnd(stack.stop);
    const docker = await startDocker(join(dir, "docker"));
    if (docker) atEnd(docker.stop);
    const podman = await openPodman(join(dir, "podman"), new URL(stack.apiUrl).host);
    if (podman) atEnd(podman.stop);
    await measureStack(stack, docker, podman);
  }
  if (wants("wake")) {
    say("· waking an app that sleeps");
    const docker = await startDocker(join(dir, "docker-wake"));
    const stopDocker = docker && atEnd(docker.stop);
    parts.push(`## Waking\n\nCommand: \`npm run bench -- wake\`\n\n${toMarkdown(await wake(docker))}`);
    await stopDocker?.();
  }
  if (wants("idle")) {
    say("· a thousand apps that sleep");
    parts.push(`## Apps that nobody asks for\n\nCommand: \`npm run bench -- idle\`. ${await idle()}`);
  }
  if (wants("isolation")) {
    say("· the runtime classes beside each other");
    const stdout = await apart("isolation.ts");
    parts.push(`## Runtime classes\n\nCommand: \`npm run bench -- isolation\`\n\n\`\`\`json\n${stdout.trim()}\n\`\`\``);
  }
  if (wants("density")) {
    say("· many instances on one node");
    const docker = await startDocker(join(dir, "docker-density"));
    const stopDocker = docker && atEnd(docker.stop);
    parts.push(`## Density\n\nCommand: \`npm run bench -- density\`\n\n\`\`\`json\n${JSON.stringify(await density(docker), null, 2)}\n\`\`\``);
    await stopDocker?.();
  }
  if (wants("noisy")) {
    say("· an app beside noisy neighbours");
    const stdout = await apart("noisy.ts");
    parts.push(`## Noisy neighbours\n\nCommand: \`npm run bench -- noisy\`\n\n\`\`\`json\n${stdout.trim()}\n\`\`\``);
  }
  if (wants("gateway")) {
    say("· the gateway against a bare HAProxy");
    const stdout = await apart("gateway.ts");
    const figures = JSON.parse(stdout) as GatewayFigures;
    parts.push(`## Gateway\n\nCommand: \`npm run bench -- gateway\`\n\n\`\`\`json\n${JSON.stringify(figures, null, 2)}\n\`\`\``);
  }
  if (wants("api")) {
    say("· the API against a bare handler, and beside a flood");
    const stdout = await apart("api.ts");
    parts.push(`## API\n\nCommand: \`npm run bench -- api\`\n\n\`\`\`json\n${stdout.trim()}\n\`\`\``);
  }
  await report(parts);
} finally {
  await endAll();
}

/** A part in a process of its own; what it says. It ends before the rest does. */
async function apart(file: string): Promise<string> {
  const child = start([process.execPath, new URL(file, import.meta.url).pathname], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  atEnd(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    return ended;
  });
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  return said;
}

async function measureStack(stack: Stack, docker: Peer | undefined, podman: Peer | undefined): Promise<void> {
  const rows: Row[] = [];
  if (wants("deploy")) {
    say("· one changed file, from deploy to URL");
    rows.push(...(await changeToUrl(stack, docker)));
  }
  if (wants("start")) {
    say("· starting an instance");
    rows.push(...(await instanceStart(stack, [docker, podman].filter((peer) => peer !== undefined))));
  }
  if (rows.length > 0) parts.push(`## Time\n\nCommand: \`npm run bench -- deploy start\`\n\n${toMarkdown(rows)}`);
  if (wants("rollback")) {
    say("· back to the release before");
    parts.push(`## Rollback\n\nCommand: \`npm run bench -- rollback\`\n\n${toMarkdown(await rollback(stack, docker))}`);
  }
  if (wants("memory")) {
    say("· memory per instance");
    const memory = await instanceMemory(stack);
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
    parts.push(
      `## Memory per running instance, beyond the app's own\n\nCommand: \`npm run bench -- memory\`. PSS over ${memory.instances} instances.\n\n` +
        `| monitor (conmon), MiB | node agent, MiB | gateway, MiB | together, MiB |\n| ---: | ---: | ---: | ---: |\n` +
        `| ${mib(memory.monitorBytes)} | ${mib(memory.agentBytes)} | ${mib(memory.gatewayBytes)} | ${mib(memory.totalBytes)} |`,
    );
  }
}

async function report(sections: readonly string[]): Promise<void> {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  const text = `${sections.join("\n\n")}\n`;
  say(`\n${machine}\n\n${text}`);
  if (asked.length > 0) return;
  const before = await readFile(DOCUMENT, "utf8").catch(() => "");
  const intro = before.split("<!-- figures -->")[0] || "# Benchmarks\n\n";
  await writeFile(DOCUMENT, `${intro}<!-- figures -->\n\nMachine: ${machine}. Medians of one run; compare the ratios, not the figures.\n\n${text}`);
}
