/** After a change of what several apps may have: follow what it rolls out, one app after the other. */
import type { Client } from "../client.ts";
import type { Output } from "../output.ts";
import { finishDeployment } from "./finish.ts";

export interface Released {
  out: Output;
  client: Client;
  deployments: readonly { id: string; app: string }[];
  detach: boolean;
  startedMs: number;
  /** What was written, for `--json`. */
  stored: Record<string, unknown>;
}

export async function finishReleased({ out, client, deployments, detach, startedMs, stored }: Released): Promise<void> {
  out.event({ event: "stored", ...stored, deployments });
  if (deployments.length === 0) {
    out.line("Stored; nothing that runs has to be released anew.");
    return;
  }
  if (deployments.length > 1) out.line(`Stored; it is rolled out to ${deployments.map(({ app }) => app).join(", ")}.`);
  for (const { id } of deployments) await finishDeployment({ out, client, deployment: await client.deployment(id), detach, startedMs });
}
