/** System calls that Node.js does not offer: a program started for each takes longer than the call, by far. Linux alone. */
import { writeSync } from "node:fs";
import koffi from "koffi";

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOATIME = 1024;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Loaded when first called: most processes never do. */
let calls: ReturnType<typeof load> | undefined;

function load() {
  const libc = koffi.load("libc.so.6");
  return {
    mount: libc.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)"),
    ioctl: libc.func("int ioctl(int descriptor, unsigned long request, ...)"),
    lseek: libc.func("long lseek(int descriptor, long offset, int whence)"),
    memfd: libc.func("int memfd_create(const char *name, unsigned int flags)"),
    pipe2: libc.func("int pipe2(_Out_ int *ends, int flags)"),
    umount2: libc.func("int umount2(const char *target, int flags)"),
  };
}

/** mount(2). `isPlain`: it has no programs of other users, no devices, no times of reading. @throws Error with the errno's name as `code` */
export function mountNow(source: string, target: string, type: string, options: string, { isPlain = false } = {}): void {
  calls ??= load();
  if (calls.mount(source, target, type, isPlain ? MS_NOSUID | MS_NODEV | MS_NOATIME : 0, options) !== 0) throw failed(`mount of ${type} at ${target}`);
}

/** umount2(2), of what is not in use. @throws Error with the errno's name as `code` */
export function umountNow(target: string): void {
  calls ??= load();
  if (calls.umount2(target, UMOUNT_NOFOLLOW) !== 0) throw failed(`unmounting ${target}`);
}

/** ioctl(2) with a number or bytes, which it may change. @throws Error with the errno's name as `code` */
export function ioctl(descriptor: number, request: number, argument: number | Buffer = 0): number {
  calls ??= load();
  const result = calls.ioctl(descriptor, request, ...(typeof argument === "number" ? ["long", argument] : ["void *", argument])) as number;
  if (result < 0) throw failed(`ioctl 0x${request.toString(16)}`);
  return result;
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
  const call = (flags: number) =>
    new Promise<number>((resolve, reject) => umount2.async(target, flags, (error: Error | null, result: number) => (error ? reject(error) : resolve(result))));
  return (await call(UMOUNT_NOFOLLOW)) === 0 || (await call(UMOUNT_NOFOLLOW | MNT_DETACH)) === 0;
}

/** A file that is in memory alone, with this content: descriptor, to be closed by the caller. */
export function memoryFile(content: string): number {
  calls ??= load();
  const descriptor = calls.memfd("berth", MFD_CLOEXEC) as number;
  if (descriptor < 0) throw failed("memfd_create");
  writeSync(descriptor, content, 0);
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

/** Of the call that was made last. */
function failed(what: string): Error & { code: string } {
  const code = errnoName(koffi.errno());
  return Object.assign(new Error(`${what} failed: ${code}`), { code });
}

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
