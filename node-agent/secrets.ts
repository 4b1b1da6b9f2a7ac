/**
 * Secrets of instances, on a file system in memory: they outlive the agent, as the containers do, and no disk sees them.
 * What the agent writes elsewhere says `withheld` in their place.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance, DesiredState, InstanceSecrets } from "../core/contract/node-channel.ts";
import { mountMemory } from "../core/host/mounts.ts";
import type { ResolvedUser } from "./image-user.ts";

export type SecretValues = Extract<InstanceSecrets, { kind: "values" }>;

/** Where an instance finds its files. */
export const SECRETS_PATH = "/run/secrets";
const PAUSE_MS = 200;

export class SecretStore {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Goes on with what a former agent left; `known`: the instances that may still be wanted. */
  async open(known: ReadonlySet<string>): Promise<void> {
    await mountMemory(this.#dir);
    for (const id of readdirSync(this.#dir)) if (!known.has(id.split(".", 1)[0] ?? "")) this.remove(id);
  }

  /** Keeps the values of those that are desired, and gives the state as it may be written down. */
  keep(desired: DesiredState): DesiredState {
    return { ...desired, instances: desired.instances.map((instance) => this.#withhold(instance)) };
  }

  #withhold(instance: DesiredInstance): DesiredInstance {
    const { id, secrets } = instance;
    if (secrets?.kind !== "values") return instance;
    // A release's versions never change: what is there is right.
    const path = this.#valuesPath(id);
    if (!existsSync(path)) {
      mkdirSync(this.dirOf(id), { recursive: true, mode: 0o711 });
      writeFileSync(`${path}.new`, JSON.stringify(secrets), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    }
    return { ...instance, secrets: { kind: "withheld" } };
  }

  /**
   * An instance's values, or why it has none; undefined when there are none, or when it is told to stop. After a start
   * of the host they are not here: then the API is waited for, which says them again.
   */
  async untilRead(desired: () => DesiredInstance, stop: AbortSignal): Promise<Exclude<InstanceSecrets, { kind: "withheld" }> | undefined> {
    while (!stop.aborted) {
      const { id, secrets } = desired();
      if (secrets?.kind !== "withheld") return secrets;
      const path = this.#valuesPath(id);
      if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as SecretValues;
      await sleep(PAUSE_MS, undefined, { signal: stop }).catch(() => {});
    }
    return undefined;
  }

  remove(id: string): void {
    rmSync(this.dirOf(id), { recursive: true, force: true });
  }

  /** A directory for what must be on no disk; root's alone but for its files. */
  dirOf(id: string): string {
    return join(this.#dir, id);
  }

  #valuesPath(id: string): string {
    return join(this.dirOf(id), "values.json");
  }

  /**
   * Writes the files as the container will see them, and gives their directory. They are of the image's USER and for
   * nobody else, as keys have to be. An image that runs as root often serves as another user, so there all may read them.
   */
  writeFiles(id: string, { files }: SecretValues, user: ResolvedUser, uidBase: number): string {
    const dir = join(this.dirOf(id), "files");
    const [uid, gid] = [uidBase + user.uid, uidBase + user.gid];
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { mode: user.uid === 0 ? 0o755 : 0o500 });
    for (const { name, content } of files) {
      writeFileSync(join(dir, name), Buffer.from(content, "base64"), { mode: user.uid === 0 ? 0o444 : 0o400 });
      chownSync(join(dir, name), uid, gid);
    }
    chownSync(dir, uid, gid);
    return dir;
  }
}
