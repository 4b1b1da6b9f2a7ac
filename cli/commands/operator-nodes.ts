/** `berth operator nodes`: the fleet, and which of it takes instances. */
import { setTimeout as sleep } from "node:timers/promises";
import { Argument, type Command } from "commander";
import type { Node, NodeApp } from "../../client/index.ts";
import { CliError } from "../errors.ts";
import { span } from "../flags.ts";
import { formatAge, formatBytes, type Output } from "../output.ts";
import { commonOptions, openOperatorSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  detach?: boolean;
  timeout: number;
}

const LOOK_EVERY_MS = 1000;
const PATIENCE_SECONDS = 600;

export function defineNodes(command: Command): void {
  const sub = (name: string, summary: string) => commonOptions(command.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`));
  const node = () => new Argument("<node>", "its name, or its id");
  sub("list", "show all nodes: whether each is up, what it has and runs, what its kernel can").action(list);
  sub("cordon", "let a node take no more instances; what it has stays").addArgument(node()).action((name: string, options: Options) => schedule(name, options, false));
  sub("uncordon", "let a node take instances again; ends a drain").addArgument(node()).action((name: string, options: Options) => schedule(name, options, true));
  sub("drain", "cordon a node and move its instances to others, without an outage")
    .addArgument(node())
    .option("-d, --detach", "do not wait for its end")
    .option("--timeout <span>", "how long to wait; the drain itself goes on (default: 10m)", span("--timeout"), PATIENCE_SECONDS)
    .action(drain);
}

async function list(options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const found = await client.operator.nodes();
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  const now = Date.now();
  await out.table(
    ["NODE", "STATE", "INSTANCES", "CPU", "MEMORY", "KERNEL", "CGROUPS", "LAYERS"],
    found.map((one) => [
      one.name, stateOf(one, now), `${one.instances}/${one.maxInstances ?? "?"}`, one.cpuMillis === null ? "" : String(one.cpuMillis / 1000), one.memoryBytes === null ? "" : formatBytes(one.memoryBytes), one.facts["kernel"] ?? "", one.facts["cgroups"] ?? "", one.facts["layers"] ?? "",
    ]),
  );
}

function stateOf({ isUp, lastSeenAt, schedulable, draining }: Node, now: number): string {
  const state = isUp ? "up" : lastSeenAt === null ? "never seen" : `down, seen ${formatAge(lastSeenAt, now)}`;
  return schedulable ? state : `${state}, ${draining ? "draining" : "cordoned"}`;
}

async function schedule(name: string, options: Options, schedulable: boolean): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const node = await client.operator.updateNode(name, { schedulable });
  out.document(node);
  if (out.quiet) out.result(node.name);
  out.line(`${out.colors.green("✓")} ${node.name} ${schedulable ? "takes instances again." : `takes no more instances; ${node.instances === 0 ? "it has none" : `the ${node.instances} on it stay`}.`}`);
}

/** Begins it and waits until nothing is left that moves. */
async function drain(name: string, options: Options): Promise<void> {
  const { out, client } = openOperatorSession(options);
  const node = await client.operator.drainNode(name);
  const deadline = Date.now() + options.timeout * 1000;
  let apps = await client.operator.appsOfNode(name);
  for (let said = -1; options.detach !== true && movesOf(apps) > 0; apps = await client.operator.appsOfNode(name)) {
    if (movesOf(apps) !== said) out.line(`  ${counted(movesOf(apps), "instance")} to move`);
    said = movesOf(apps);
    if (Date.now() > deadline) throw stuck(node.name, apps);
    await sleep(LOOK_EVERY_MS);
  }
  out.document({ node: await client.operator.node(name), apps });
  if (out.quiet) out.result(node.name);
  const left = movesOf(apps);
  out.line(`${out.colors.green("✓")} ${node.name} ${left > 0 ? `is being drained: ${counted(left, "instance")} to move` : "is drained"}; it takes no more instances until «berth operator nodes uncordon ${node.name}».`);
  tellWhatStays(out, apps);
}

function tellWhatStays(out: Output, apps: readonly NodeApp[]): void {
  const runs = apps.reduce((sum, app) => sum + app.runs, 0);
  if (runs > 0) out.line(`  ${counted(runs, "run")} on it will end by itself${runs === 1 ? "" : ", each"}.`);
  for (const { app, tenant, stays, volumes } of apps) {
    if (volumes.length === 0) continue;
    const what = volumes.length === 1 ? `the volume ${volumes[0]}` : `the volumes ${volumes.join(", ")}`;
    out.line(`  ${tenant}/${app} stays${stays === 0 ? ", without an instance now" : ""}: ${what} of it ${volumes.length === 1 ? "is" : "are"} on this node. Its owner takes it elsewhere: berth volumes move ${volumes[0]} --app ${app} --to NODE`);
  }
}

function stuck(name: string, apps: readonly NodeApp[]): CliError {
  return new CliError(`${name} still has ${counted(movesOf(apps), "instance")} to move.`, {
    lines: apps.filter(({ moves }) => moves > 0).slice(0, 20).map(({ app, tenant, moves }) => `${tenant}/${app}: ${moves}`),
    hint: "Either no other node has room (berth operator nodes list), or what starts there does not become ready. The drain goes on.",
  });
}

const movesOf = (apps: readonly NodeApp[]) => apps.reduce((sum, { moves }) => sum + moves, 0);
const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
