/** System calls that Node.js does not offer: a program started for each takes longer than the call, by far. Linux alone. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import koffi from "koffi";
import pLimit from "p-limit";

/** MS_NOSUID, MS_NODEV, MS_NOATIME. */
const PLAIN = 2 | 4 | 1024;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
const CLONE_NEWNET = 0x4000_0000;
const O_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;
const MNT_DETACH = 2;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const UMOUNT_NOFOLLOW = 8;
const [MS_RDONLY, MS_REMOUNT, MS_BIND] = [1, 32, 4096];
const [AF_NETLINK, SOCK_RAW, SOCK_CLOEXEC] = [16, 3, O_CLOEXEC];
/** Answers say what was wrong, and do not repeat what was asked. */
const [SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK] = [270, 10, 11];

const MSG_DONTWAIT = 0x40;

/** Of the thread that looks. */
const OWN_NETNS = "/proc/thread-self/ns/net";

/** Loaded when first called: most processes never do. */
let calls: ReturnType<typeof load> | undefined;

function load() {
  const libc = koffi.load("libc.so.6");
  return {
    mount: libc.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)"),
    moveMount: libc.func("int move_mount(int fromDirectory, const char *from, int toDirectory, const char *to, unsigned int flags)"),
    openTree: libc.func("int open_tree(int directory, const char *path, unsigned int flags)"),
    renameat2: libc.func("int renameat2(int oldDirectory, const char *oldPath, int newDirectory, const char *newPath, unsigned int flags)"),
    ioctl: libc.func("int ioctl(int descriptor, unsigned long request, void *argument)"),
    lseek: libc.func("long lseek(int descriptor, long offset, int whence)"),
    memfd: libc.func("int memfd_create(const char *name, unsigned int flags)"),
    setns: libc.func("int setns(int descriptor, int kind)"),
    pipe2: libc.func("int pipe2(_Out_ int *ends, int flags)"),
    receive: libc.func("long recv(int descriptor, void *bytes, size_t length, int flags)"),
    send: libc.func("long send(int descriptor, const void *bytes, size_t length, int flags)"),
    setsockopt: libc.func("int setsockopt(int descriptor, int level, int option, const void *value, unsigned int length)"),
    socket: libc.func("int socket(int family, int type, int protocol)"),
    unshare: libc.func("int unshare(int kinds)"),
    prlimit: libc.func("int prlimit(int pid, int resource, const void *limit, void *former)"),
    umount2: libc.func("int umount2(const char *target, int flags)"),
  };
}

/** mount(2). `isPlain`: it has no programs of other users, no devices, no times of reading. @throws Error with the errno's name as `code` */
export function mountNow(source: string, target: string, type: string, options: string, { isPlain = false } = {}): void {
  calls ??= load();
  if (calls.mount(source, target, type, isPlain ? PLAIN : 0, options) !== 0) throw failed(`mount of ${type} at ${target}`);
}

/** The same on a thread: a file system may read from a disk first. */
export async function mountSoon(source: string, target: string, type: string, options: string, { isPlain = false } = {}): Promise<void> {
  calls ??= load();
  const { mount } = calls;
  const result = await onThread((done) => mount.async(source, target, type, isPlain ? PLAIN : 0, options, done));
  // Once more here, where the reason can be asked for.
  if (result !== 0) mountNow(source, target, type, options, { isPlain });
}

/** The file or directory cannot be changed any more in this mount namespace. `isMounted`: something is mounted there already. @throws Error with the errno's name as `code` */
export function makeReadOnly(path: string, isMounted: boolean): void {
  calls ??= load();
  if (!isMounted && calls.mount(path, path, null, MS_BIND, null) !== 0) throw failed(`mounting ${path} at itself`);
  if (calls.mount(null, path, null, MS_REMOUNT | MS_BIND | MS_RDONLY, null) !== 0) throw failed(`making ${path} read-only`);
}

/** umount2(2), of what is not in use. @throws Error with the errno's name as `code` */
export function umountNow(target: string): void {
  calls ??= load();
  if (calls.umount2(target, UMOUNT_NOFOLLOW) !== 0) throw failed(`unmounting ${target}`);
}

/** A copy of what is mounted there that is mounted nowhere: descriptor, which holds it. @throws Error with the errno's name as `code` */
export function holdMount(path: string): number {
  calls ??= load();
  const descriptor = calls.openTree(AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC) as number;
  if (descriptor < 0) throw failed(`holding ${path}`);
  return descriptor;
}

/** Mounts what is held, once; the descriptor stays the caller's to close. @throws Error with the errno's name as `code` */
export function mountHeld(descriptor: number, target: string): void {
  calls ??= load();
  if (calls.moveMount(descriptor, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) !== 0) throw failed(`mounting at ${target}`);
}

/** Does it with this thread in that network namespace. At once; the thread is back when this returns. */
export function withinNetns<T>(path: string, work: () => T): T {
  const there = openSync(path, "r");
  try {
    return elsewhere(() => {
      if (calls?.setns(there, CLONE_NEWNET) !== 0) throw failed(`entering ${path}`);
    }, work);
  } finally {
    closeSync(there);
  }
}

/** The same in a new one, which this path stands for from then on. */
export function withinNewNetns<T>(path: string, work: () => T): T {
  return elsewhere(() => {
    if (calls?.unshare(CLONE_NEWNET) !== 0) throw failed("making a network namespace");
  }, () => {
    writeFileSync(path, "", { flag: "wx" });
    if (calls?.mount(OWN_NETNS, path, null, MS_BIND, null) !== 0) throw failed(`mounting at ${path}`);
    return work();
  });
}

/** `go`: of this thread alone. */
function elsewhere<T>(go: () => void, work: () => T): T {
  calls ??= load();
  const here = openSync(OWN_NETNS, "r");
  try {
    go();
    try {
      return work();
    } finally {
      // Elsewhere than it believes to be, a process is of no use.
      if (calls.setns(here, CLONE_NEWNET) !== 0) process.kill(process.pid, "SIGABRT");
    }
  } finally {
    closeSync(here);
  }
}

/** A socket to the kernel in this thread's network namespace: descriptor. Source: `man 7 netlink`. @throws Error with the errno's name as `code` */
export function openNetlink(protocol: number): number {
  calls ??= load();
  const descriptor = calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol) as number;
  if (descriptor < 0) throw failed("opening a socket to the kernel");
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) calls.setsockopt(descriptor, SOL_NETLINK, option, Buffer.from(Int32Array.of(1).buffer), 4);
  return descriptor;
}

/** send(2). @throws Error with the errno's name as `code` */
export function sendNow(descriptor: number, bytes: Buffer): void {
  calls ??= load();
  if ((calls.send(descriptor, bytes, bytes.length, 0) as number) < 0) throw failed("sending");
}

/** The same on a thread. @throws Error */
export async function sendSoon(descriptor: number, bytes: Buffer): Promise<void> {
  calls ??= load();
  const { send } = calls;
  const sent = await onThread((done) => send.async(descriptor, bytes, bytes.length, 0, done));
  if (sent < 0) throw new Error("sending failed");
}

/** recv(2): how many bytes there are; undefined: none yet. @throws Error with the errno's name as `code` */
export function receiveNow(descriptor: number, bytes: Buffer): number | undefined {
  calls ??= load();
  const received = calls.receive(descriptor, bytes, bytes.length, MSG_DONTWAIT) as number;
  if (received >= 0) return received;
  const error = failed("receiving");
  if (error.code === "EAGAIN") return undefined;
  throw error;
}

/** ioctl(2), with bytes if it takes some. @throws Error with the errno's name as `code` */
export function ioctl(descriptor: number, request: number, argument: Buffer | null = null): number {
  calls ??= load();
  const result = calls.ioctl(descriptor, request, argument) as number;
  if (result < 0) throw failed(`ioctl 0x${request.toString(16)}`);
  return result;
}

/** The same with bytes, on a thread. False when it failed; with `isRepeatable` it is tried once more then, which says why. */
export async function ioctlSoon(descriptor: number, request: number, argument: Buffer, { isRepeatable = false } = {}): Promise<boolean> {
  calls ??= load();
  const { ioctl: call } = calls;
  const result = await onThread((done) => call.async(descriptor, request, argument, done));
  if (result < 0 && isRepeatable) ioctl(descriptor, request, argument);
  return result >= 0;
}

/** The next part of a file from `offset` on that is no hole; undefined when there is none. */
export function nextData(descriptor: number, offset: number): { start: number; end: number } | undefined {
  calls ??= load();
  const start = calls.lseek(descriptor, offset, SEEK_DATA) as number;
  return start < 0 ? undefined : { start, end: calls.lseek(descriptor, start, SEEK_HOLE) as number };
}

/** umount2(2) on a thread: a file system may write back what it holds. Lazily where it is in use. True when it is done. */
export async function umountSoon(target: string): Promise<boolean> {
  calls ??= load();
  const { umount2 } = calls;
  const call = (flags: number) => onThread((done) => umount2.async(target, flags, done));
  return (await call(UMOUNT_NOFOLLOW)) === 0 || (await call(UMOUNT_NOFOLLOW | MNT_DETACH)) === 0;
}

/** The library refuses more than 256 at once, and there are fewer threads. */
const limitThreads = pLimit(64);

export function onThread(begin: (done: (error: Error | null, result: number) => void) => void): Promise<number> {
  return limitThreads(() => new Promise((resolve, reject) => begin((error, result) => (error ? reject(error) : resolve(result)))));
}

/** Each of the two files has the other's name from now on, at once. False when one is not there, or the file system cannot do that. */
export function exchangeFiles(one: string, other: string): boolean {
  calls ??= load();
  return calls.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) === 0;
}

/** A file that is in memory alone, with this content: descriptor, to be closed by the caller. */
export function memoryFile(content: string | Uint8Array): number {
  calls ??= load();
  const descriptor = calls.memfd("berth", MFD_CLOEXEC) as number;
  if (descriptor < 0) throw failed("memfd_create");
  try {
    if (typeof content === "string") writeSync(descriptor, content, 0);
    else writeSync(descriptor, content, 0, content.length, 0);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

/** A pipe: what Node.js calls so are sockets, which programs cannot open by name (`/dev/stderr`). Both ends are the caller's to close. */
export function makePipe(): { read: number; write: number } {
  calls ??= load();
  const ends = [-1, -1];
  if (calls.pipe2(ends, O_CLOEXEC) !== 0) throw failed("pipe2");
  const [read = -1, write = -1] = ends;
  return { read, write };
}

export const RLIM_INFINITY = 2n ** 64n - 1n;

/** prlimit(2): soft and hard limit alike. False when it is not allowed, or the process is gone. */
export function limitProcess(pid: number, resource: number, max: bigint): boolean {
  calls ??= load();
  return calls.prlimit(pid, resource, Buffer.from(BigUint64Array.of(max, max).buffer), null) === 0;
}

/** `errno`: without it that of the call that this thread made last. */
export function failed(what: string, errno = koffi.errno()): Error & { code: string } {
  const code = errnoName(errno);
  return Object.assign(new Error(`${what} failed: ${code}`), { code });
}

export function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
