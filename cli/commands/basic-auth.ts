import { createHash, randomBytes } from "node:crypto";
import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { finishDeployment } from "../deploy/finish.ts";
import { usageError } from "../errors.ts";
import { readSecretValue } from "../secret-value.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

/** Its hash is a quick one, as each request is checked by it: only what cannot be guessed is safe behind it. */
const MIN_CHARS = 12;

interface Options extends CommonOptions {
  app?: string;
  off?: boolean;
  print?: boolean;
  detach?: boolean;
}

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("--off", "ask nobody for a password any more")
    .option("--print", "change nothing: print what berth.yaml takes")
    .option("-d, --detach", "do not wait until it is live")
    .addHelpText(
      "after",
      `
The password is asked for on a terminal, else read from stdin. Berth never gets it: only a hash of it is sent.

Examples:
  $ berth basic-auth anna --app shop
  $ openssl rand -base64 18 | tee password | berth basic-auth anna --app shop
  $ berth basic-auth --off --app shop`,
    )
    .action(basicAuth);
}

async function basicAuth(user: string | undefined, options: Options): Promise<void> {
  const startedMs = performance.now();
  if ((user === undefined) !== (options.off === true)) throw usageError("Name a user, or --off.", "Example: berth basic-auth anna --app shop");
  const wanted = user === undefined ? null : { user, passwordHash: hashOf(await readSecretValue("the password", "env")) };
  const { out, client } = openSession(options);
  if (options.print === true && wanted !== null) {
    out.document(wanted);
    out.result(`settings:\n  http:\n    basicAuth: {user: ${JSON.stringify(wanted.user)}, passwordHash: "${wanted.passwordHash}"}`);
    return;
  }
  const app = await chooseApp(options.app, ".");
  const answer = await client.patchSettings(app, { http: { basicAuth: wanted } });
  if ("state" in answer) return finishDeployment({ out, client, deployment: answer, detach: options.detach === true, startedMs });
  out.document(answer);
  out.line(`Stored; it takes effect with the first deployment of ${app}.`);
}

function hashOf(password: Buffer): string {
  if (password.toString("utf8").length < MIN_CHARS) throw usageError(`A password has at least ${MIN_CHARS} characters.`, "openssl rand -base64 18 makes one.");
  const salt = randomBytes(16).toString("hex");
  return `sha256:${salt}:${createHash("sha256").update(salt).update(password).digest("hex")}`;
}
