/**
 * Starting programs without a copy of this process: Node.js forks, which copies page tables (4 ms with 130 MiB of memory,
 * in which nothing else happens), and posix_spawn(3) does not (0.2 ms, on a thread). Linux alone.
 */
import { constants } from "node:os";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import koffi from "koffi";
import { failed, onThread } from "./syscalls.ts";

/** Sizes of glibc's opaque structures, and more: 80, 336 and 128 bytes. */
const [ACTIONS_BYTES, ATTRIBUTES_BYTES, SIGNAL_SET_BYTES] = [128, 512, 128];
const [SET_SIGNAL_DEFAULTS, SET_SIGNAL_MASK, SET_SESSION] = [0x04, 0x08, 0x80];
const O_RDWR = 2;
const WNOHANG = 1;
const TRIES_AT_ONCE = 3;
const LONGEST_PAUSE_MS = 64;
/** Not where this process happens to be when the thread starts it: `mountOverlay` goes elsewhere for a moment. */
const BEGAN_IN = process.cwd();
const ALL_SIGNALS = Buffer.alloc(SIGNAL_SET_BYTES, 0xff);
const NO_SIGNALS = Buffer.alloc(SIGNAL_SET_BYTES);

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]));

let calls: ReturnType<typeof load> | undefined;

function load() {
  const libc = koffi.load("libc.so.6");
  const action = (name: string, rest: string) => libc.func(`int posix_spawn_file_actions_${name}(void *actions${rest})`);
  const attribute = (name: string, rest: string) => libc.func(`int posix_spawnattr_${name}(void *attributes${rest})`);
  return {
    spawn: libc.func("int posix_spawnp(_Out_ int *pid, const char *file, const void *actions, const void *attributes, const char **argv, const char **environment)"),
    actions: {
      init: action("init", ""),
      open: action("addopen", ", int descriptor, const char *path, int flags, unsigned int mode"),
      dup: action("adddup2", ", int from, int to"),
      chdir: action("addchdir_np", ", const char *path"),
      destroy: action("destroy", ""),
    },
    attributes: {
      init: attribute("init", ""),
      setFlags: attribute("setflags", ", short flags"),
      setDefaults: attribute("setsigdefault", ", const void *signals"),
      setMask: attribute("setsigmask", ", const void *signals"),
      destroy: attribute("destroy", ""),
    },
    waitpid: libc.func("int waitpid(int pid, _Out_ int *status, int options)"),
  };
}

export interface SpawnSettings {
  env?: NodeJS.ProcessEnv | undefined;
  cwd?: string | undefined;
  /** What the program has as descriptors 0, 1 … of this process's; null: `/dev/null`. They must be above those numbers. */
  descriptors: readonly (number | null)[];
  /** It leaves this process's group and terminal. */
  hasOwnSession?: boolean;
}

/** On a thread. The program's id: `untilExited` must be called with it, or it stays a zombie. The program is looked for along this process's PATH. @throws Error with the errno's name as `code` */
export async function spawnSoon(argv: readonly string[], { env = process.env, cwd = BEGAN_IN, descriptors, hasOwnSession = false }: SpawnSettings): Promise<number> {
  const [program] = argv;
  if (program === undefined) throw new TypeError("an empty argument array");
  const environment = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`));
  for (const text of [...argv, ...environment, cwd]) if (text.includes("\0")) throw new TypeError(`an argument with a null byte: ${JSON.stringify(text)}`);
  calls ??= load();
  const { actions, attributes, spawn } = calls;
  const [fileActions, settings] = [Buffer.alloc(ACTIONS_BYTES), Buffer.alloc(ATTRIBUTES_BYTES)];
  actions.init(fileActions);
  attributes.init(settings);
  try {
    actions.chdir(fileActions, cwd);
    for (const [number, descriptor] of descriptors.entries()) {
      if (descriptor === null) actions.open(fileActions, number, "/dev/null", O_RDWR, 0);
      else actions.dup(fileActions, descriptor, number);
    }
    attributes.setFlags(settings, SET_SIGNAL_DEFAULTS | SET_SIGNAL_MASK | (hasOwnSession ? SET_SESSION : 0));
    attributes.setDefaults(settings, ALL_SIGNALS);
    attributes.setMask(settings, NO_SIGNALS);
    const pid = [0];
    // The thread that calls it stands still until the program has begun, which on a busy host takes its time.
    const errno = await onThread((done) => spawn.async(pid, program, fileActions, settings, [...argv, null], [...environment, null], done));
    if (errno !== 0) throw failed(`starting «${program}»`, errno);
    return pid[0] as number;
  } finally {
    actions.destroy(fileActions);
    attributes.destroy(settings);
  }
}

/** How it ended. For a program that is about to: it is asked for again and again. @throws Error when it is none of this process's, or no more */
export async function untilExited(pid: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  calls ??= load();
  const status = [0];
  for (let tries = 0; ; tries++) {
    const found = calls.waitpid(pid, status, WNOHANG) as number;
    if (found < 0) throw new Error(`how process ${pid} ended is not known`);
    if (found === pid) break;
    if (tries < TRIES_AT_ONCE) await nextTurn();
    else await sleep(Math.min(2 ** (tries - TRIES_AT_ONCE), LONGEST_PAUSE_MS));
  }
  const [value = 0] = status;
  const signal = value & 0x7f;
  return signal === 0 ? { code: (value >> 8) & 0xff, signal: null } : { code: null, signal: SIGNAL_NAMES.get(signal) ?? null };
}
