import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { VolumeOperation, VolumeOperationCreate } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { parseMemory } from "../flags.ts";
import { formatAge, formatBytes } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions, type Session } from "../session.ts";

type Options = CommonOptions & { app?: string; yes?: boolean; detach?: boolean; size?: number; to?: string; node?: string };

const LOOK_EVERY_MS = 500;

export function define(command: Command): void {
  command.usage("list | create NAME | snapshot NAME | snapshots NAME | restore NAME SNAPSHOT | move NAME | resize NAME | delete NAME").addHelpText(
    "after",
    `
A volume keeps what an app writes, across its releases and restarts, up to its size. It is on one node, with its app,
until it is moved. Mount it with «berth deploy --mount NAME:/path», or in berth.yaml.

Examples:
  $ berth volumes create data --size 1g --app shop
  $ berth deploy --mount data:/var/lib/data
  $ berth deploy --mount data:/var/lib/data:1g      makes it, if there is none
  $ berth volumes snapshot data --app shop
  $ berth volumes restore data snp_… --app shop
  $ berth volumes move data --to node-2 --app shop`,
  );
  sub(command, "list", "show an app's volumes, how full they are and where").action(list);
  sub(command, "create", "make a volume").argument("<name>").requiredOption("--size <size>", "how much it holds: 512m, 1g", parseMemory).action(create);
  detachable(sub(command, "snapshot", "store what is in a volume, while the app runs on")).argument("<name>").action((name: string, options: Options) => operate(name, { kind: "snapshot" }, options));
  sub(command, "snapshots", "list a volume's snapshots, or delete one").argument("<name>").option("--delete <snapshot>", "delete this one; asks").option("-y, --yes", "do not ask").action(snapshots);
  detachable(sub(command, "restore", "put a snapshot in the place of what is in a volume"))
    .argument("<name>")
    .argument("<snapshot>")
    .option("--node <node>", "make the volume anew on this node: its own is lost")
    .option("-y, --yes", "do not ask")
    .action(restore);
  detachable(sub(command, "move", "take a volume, and its app, to another node"))
    .argument("<name>")
    .requiredOption("--to <node>", "the node")
    .action((name: string, options: Options) => operate(name, { kind: "move", node: options.to ?? "" }, options));
  sub(command, "resize", "let a volume grow").argument("<name>").requiredOption("--size <size>", "how much it is to hold: 2g", parseMemory).action(resize);
  sub(command, "delete", "delete a volume that nothing mounts, with its snapshots; asks").argument("<name>").option("-y, --yes", "do not ask").action(remove);
}

function sub(parent: Command, name: string, summary: string): Command {
  const made = parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  return commonOptions(made).option(...APP_OPTION);
}

function detachable(command: Command): Command {
  return command.option("-d, --detach", "do not wait until it is done");
}

async function open(options: Options): Promise<Session & { app: string }> {
  const session = openSession(options);
  return { ...session, app: await chooseApp(options.app, ".") };
}

async function list(options: Options): Promise<void> {
  const { out, client, app } = await open(options);
  const found = await client.volumes(app);
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  if (found.length === 0) return out.line(`${app} has no volumes.`);
  const now = Date.now();
  const rows = found.map((one) => {
    const state = one.problem?.detail ?? (one.operation === null ? one.state : `${one.operation.kind}: ${one.operation.state}`);
    const used = one.usedBytes === null ? "" : formatBytes(one.usedBytes);
    return [one.name, formatBytes(one.sizeBytes), used, one.node ?? "", state, one.mounts.map(({ path, readOnly }) => `${path}${readOnly ? " (read-only)" : ""}`).join(" "), one.lastSnapshotAt === null ? "" : formatAge(one.lastSnapshotAt, now)];
  });
  await out.table(["VOLUME", "SIZE", "USED", "NODE", "STATE", "MOUNTED AT", "SNAPSHOT"], rows);
}

async function create(name: string, options: Options): Promise<void> {
  const { out, client, app } = await open(options);
  const volume = await client.createVolume(app, name, options.size ?? 0);
  out.document(volume);
  out.line(`${out.colors.green("✓")} ${app} has the volume ${volume.name} of ${formatBytes(volume.sizeBytes)}: mount it with berth deploy --mount ${volume.name}:/path`);
}

async function resize(name: string, options: Options): Promise<void> {
  const { out, client, app } = await open(options);
  const volume = await client.resizeVolume(app, name, options.size ?? 0);
  out.document(volume);
  out.line(`${out.colors.green("✓")} ${volume.name} is to hold ${formatBytes(volume.sizeBytes)}; where its node cannot let it grow while it is mounted, it does when the app next starts`);
}

async function snapshots(name: string, options: Options & { delete?: string }): Promise<void> {
  const { out, client, app } = await open(options);
  if (options.delete !== undefined) {
    await consent(options, `The snapshot ${options.delete} of ${name} is deleted for good. Go on?`, `berth volumes snapshots ${name} --delete ${options.delete} --app ${app} --yes`);
    await client.deleteSnapshot(app, name, options.delete);
    out.document({ app, volume: name, snapshot: options.delete, deleted: true });
    return out.line(`${out.colors.green("✓")} ${options.delete} is deleted`);
  }
  const found = await client.volumeSnapshots(app, name);
  out.document(found);
  if (out.quiet) for (const { id } of found) out.result(id);
  if (found.length === 0) return out.line(`${name} has no snapshots.`);
  const now = Date.now();
  const rows = found.map((one) => [one.id, one.failure?.detail ?? one.state, one.reason, one.sizeBytes === null ? "" : formatBytes(one.sizeBytes), formatAge(one.createdAt, now), one.expiresAt ?? "never"]);
  await out.table(["SNAPSHOT", "STATE", "REASON", "STORED", "AGE", "EXPIRES"], rows);
}

async function restore(name: string, snapshot: string, options: Options): Promise<void> {
  const where = options.node === undefined ? "" : ` --node ${options.node}`;
  await consent(options, `What is in ${name} now is replaced by the snapshot; what was written since is lost. Go on?`, `berth volumes restore ${name} ${snapshot}${where} --yes`);
  await operate(name, { kind: "restore", snapshot, ...(options.node === undefined ? {} : { node: options.node }) }, options);
}

async function remove(name: string, options: Options): Promise<void> {
  const { out, client, app } = await open(options);
  if (options.yes !== true && process.stdin.isTTY === true) {
    const kept = (await client.volumeSnapshots(app, name)).length;
    process.stderr.write(`This removes the volume ${name} of ${app} for good, with all that is in it and its ${kept} snapshots.\n`);
  }
  await consent(options, "Go on?", `berth volumes delete ${name} --app ${app} --yes`);
  await client.deleteVolume(app, name);
  out.document({ app, volume: name, deleted: true });
  out.line(`${out.colors.green("✓")} ${name} is deleted`);
}

async function consent({ yes }: Options, message: string, sure: string): Promise<void> {
  if (yes === true) return;
  if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for your consent.", `If you are sure: ${sure}`);
  const { confirm } = await import("@inquirer/prompts");
  if (!(await confirm({ message, default: false }))) throw new CliError("Nothing was changed.", { exitCode: EXIT.cancelled, code: "cancelled" });
}

const DOING: Record<VolumeOperation["state"], string> = {
  queued: "waiting for its turn",
  stopping: "waiting for the app to stop",
  snapshotting: "taking a snapshot",
  fetching: "making the volume from the snapshot",
  done: "done",
  failed: "failed",
};

/** Begins it and waits for its end. */
async function operate(name: string, body: VolumeOperationCreate, options: Options): Promise<void> {
  const { out, client, app } = await open(options);
  let operation = await client.startOperation(app, name, body);
  for (let said = ""; options.detach !== true && operation.finishedAt === null; operation = await client.operation(app, name, operation.id)) {
    if (operation.state !== said) out.line(`  ${DOING[operation.state]}`);
    said = operation.state;
    await sleep(LOOK_EVERY_MS);
  }
  out.document(operation);
  if (out.quiet) out.result(operation.snapshot ?? operation.id);
  if (operation.failure !== null) {
    throw new CliError(`The ${body.kind} failed: ${operation.failure.detail}`, { code: operation.failure.code, hint: `${name} is as it was, and ${app} runs as before.` });
  }
  if (operation.finishedAt === null) return out.line(`${operation.id} has begun: berth volumes list --app ${app}`);
  const told = { snapshot: `${name} is stored as ${operation.snapshot}`, restore: `${name} is what it was in ${operation.snapshot}`, move: `${name} is on ${operation.toNode}, and ${app} starts there` };
  out.line(`${out.colors.green("✓")} ${told[body.kind]}`);
}
