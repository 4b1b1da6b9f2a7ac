/** System calls that Node.js does not offer: a program started for each takes longer than the call, by far. Linux alone. */
import koffi from "koffi";

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Loaded when first called: most processes never do. */
let calls: ReturnType<typeof load> | undefined;

function load() {
  const libc = koffi.load("libc.so.6");
  return {
    mount: libc.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)"),
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

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
