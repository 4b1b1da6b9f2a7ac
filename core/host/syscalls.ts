/** System calls that Node.js does not offer: a program started for each takes longer than the call, by far. Linux alone. */
import { writeSync } from "node:fs";
import koffi from "koffi";

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
    memfd: libc.func("int memfd_create(const char *name, unsigned int flags)"),
    pipe2: libc.func("int pipe2(_Out_ int *ends, int flags)"),
    umount2: libc.func("int umount2(const char *target, int flags)"),
  };
}

/** mount(2). @throws Error with the errno's name as `code` */
export function mountNow(source: string, target: string, type: string, options: string): void {
  calls ??= load();
  if (calls.mount(source, target, type, 0, options) === 0) return;
  const code = errnoName(koffi.errno());
  throw Object.assign(new Error(`mount of ${type} at ${target} failed: ${code}`), { code });
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
  if (descriptor < 0) throw new Error(`memfd_create failed: ${errnoName(koffi.errno())}`);
  writeSync(descriptor, content, 0);
  return descriptor;
}

/** A pipe: what Node.js calls so are sockets, which programs cannot open by name (`/dev/stderr`). Both ends are the caller's to close. */
export function makePipe(): { read: number; write: number } {
  calls ??= load();
  const ends = [-1, -1];
  if (calls.pipe2(ends, O_CLOEXEC) !== 0) throw new Error(`pipe2 failed: ${errnoName(koffi.errno())}`);
  const [read = -1, write = -1] = ends;
  return { read, write };
}

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
