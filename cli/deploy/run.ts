/** What `berth deploy` does: pack, upload, then follow to the end. */
import type { DeployConfig, Deployment } from "../../client/index.ts";
import type { Client, Upload } from "../client.ts";
import type { DeployOptions } from "../commands/deploy.ts";
import { packContext } from "../context/pack.ts";
import { readStdin, readStdinText } from "../context/stdin.ts";
import { readContext, type Context } from "../context/walk.ts";
import { CliError, EXIT } from "../errors.ts";
import { formatBytes, type Output } from "../output.ts";
import { finishDeployment } from "./finish.ts";

export interface RunDeploy {
  out: Output;
  client: Client;
  app: string;
  directory: string;
  options: DeployOptions;
  config: Required<Pick<DeployConfig, "buildArgs" | "env" | "settings">> & Pick<DeployConfig, "target" | "labels">;
  startedMs: number;
}

export async function runDeploy(run: RunDeploy): Promise<void> {
  const { out, client, options, startedMs } = run;
  const stop = new AbortController();
  // Until there is a deployment, Ctrl-C has nothing to ask about.
  const onInterrupt = () => {
    out.close();
    stop.abort();
    process.stderr.write("Cancelled before the upload was accepted.\n");
    process.exit(EXIT.cancelled);
  };
  process.on("SIGINT", onInterrupt);
  const made = options.image === undefined ? await upload(run, stop.signal) : await deployImage(run, options.image, stop.signal);
  process.off("SIGINT", onInterrupt);
  await finishDeployment({ out, client, startedMs, detach: options.detach === true, ...made });
}

interface Made {
  deployment: Deployment;
  dockerfile?: string;
  durationsMs?: Record<string, number>;
}

async function deployImage({ client, app, config }: RunDeploy, image: string, signal: AbortSignal): Promise<Made> {
  return { deployment: await client.deployImage(app, { image, env: config.env, settings: config.settings, ...(config.labels === undefined ? {} : { labels: config.labels }) }, signal) };
}

async function upload(run: RunDeploy, signal: AbortSignal): Promise<Made> {
  const { out, client, app, directory, options, config } = run;
  const packStartMs = performance.now();
  const fromStdin = directory === "-";
  const context = fromStdin ? undefined : readContext({ directory, ...(await dockerfileOption(options.file)) });
  const dockerfile = context?.dockerfile ?? options.file ?? "Dockerfile";
  for (const path of (context?.skipped ?? []).slice(0, 5)) out.warn(`${path} is a socket, a pipe or a device: left out`);
  const spinner = await out.spinner(context === undefined ? "Uploading" : `Packing ${describe(context)}`);
  try {
    const packed: Upload = context === undefined ? await readStdin(process.stdin) : await packContext({ context, signal, onProgress: progress(context, (text) => spinner.update(text)) });
    const sendStartMs = performance.now();
    const full: DeployConfig = { ...config, dockerfile };
    if (!(packed.body instanceof Uint8Array)) await checkApp(client, app);
    const deployment = await client.deployContext(app, full, packed, signal);
    const endMs = performance.now();
    spinner.stop(context === undefined ? "Uploaded the context from stdin" : `Uploaded ${describe(context)}`);
    if (context !== undefined) out.event({ event: "upload", files: context.fileCount, bytes: context.totalBytes, durationMs: Math.round(endMs - packStartMs) });
    return { deployment, dockerfile: options.file ?? dockerfile, durationsMs: { pack: sendStartMs - packStartMs, upload: endMs - sendStartMs } };
  } finally {
    spinner.stop();
  }
}

async function dockerfileOption(file: string | undefined): Promise<{ dockerfile?: string; dockerfileText?: Buffer }> {
  if (file === undefined) return {};
  return file === "-" ? { dockerfileText: await readStdinText(process.stdin) } : { dockerfile: file };
}

/** Before a long upload: whether we may, and whether anybody answers. The API makes the app when there is none. */
async function checkApp(client: Client, app: string): Promise<void> {
  await client.app(app).catch((error: unknown) => {
    if (!(error instanceof CliError) || error.details.code !== "not_found") throw error;
  });
}

function describe(context: Context): string {
  return `${context.fileCount} ${context.fileCount === 1 ? "file" : "files"}, ${formatBytes(context.totalBytes)}`;
}

const PROGRESS_EVERY_MS = 100;

function progress(context: Context, show: (text: string) => void): (packedBytes: number) => void {
  let shownMs = 0;
  return (packedBytes) => {
    const nowMs = performance.now();
    if (nowMs - shownMs < PROGRESS_EVERY_MS) return;
    shownMs = nowMs;
    const percent = context.totalBytes === 0 ? 100 : Math.floor((100 * packedBytes) / context.totalBytes);
    show(`Uploading ${formatBytes(packedBytes)} of ${formatBytes(context.totalBytes)} (${percent} %)`);
  };
}
