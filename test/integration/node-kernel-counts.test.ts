/**
 * What the kernel counts for whoever made a user namespace, it counts for all tenants together and for the host's root:
 * one tenant that uses up all it can leaves the others, and the node's agent, what they need.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { HOST_LIMITS } from "../../core/host/shared-limits.ts";
import { catalogue } from "../support/layers.ts";
import { testTenant, TestNode, until } from "../support/node.ts";

/** Of small hosts. */
const DEFAULTS = { "fs/inotify/max_user_instances": "128", "fs/inotify/max_user_watches": "8192", "fs/aio-max-nr": "65536", "kernel/pty/max": "4096", "kernel/pid_max": "32768" };
const fileOf = (name: string) => `/proc/sys/${name}`;
const earlier = Object.keys(DEFAULTS).map((name) => [name, Number(readFileSync(fileOf(name), "utf8"))] as const);
let node: TestNode;
before(async () => {
  // As on a host where nobody has changed them.
  for (const [name, value] of Object.entries(DEFAULTS)) writeFileSync(fileOf(name), value);
  node = await TestNode.start();
});
after(async () => {
  await node?.stop();
  // Other nodes of this host have lifted them, too.
  for (const [name, value] of earlier) writeFileSync(fileOf(name), String(Math.max(value, Number(readFileSync(fileOf(name), "utf8")))));
});

const PRELUDE = `
import ctypes, os, resource, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def watch(fd, path): return libc.inotify_add_watch(fd, path.encode(), 0x100) >= 0
def timer():
  handle = ctypes.c_void_p()
  return libc.timer_create(0, None, ctypes.byref(handle)) == 0
def aio(count): return libc.syscall(206, count, ctypes.byref(ctypes.c_ulong(0))) == 0
def terminals(most):
  count = 0
  try:
    while count < most: os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY); count += 1
  except OSError: pass
  return count
def queue(name): return libc.mq_open(name.encode(), os.O_CREAT | os.O_RDWR, 0o600, None) >= 0
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
`;
const HOG = `${PRELUDE}
fds = []
while len(fds) < 2000:
  fd = libc.inotify_init1(0)
  if fd < 0: break
  fds.append(fd)
os.mkdir("/hog")
for name in range(100): os.mkdir(f"/hog/{name}")
watches = sum(watch(fd, f"/hog/{name}") for fd in fds[:200] for name in range(100))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
signals = 0
while signals < 200000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, ctypes.c_void_p(0)) == 0: signals += 1
queues = 0
while queues < 100 and queue(f"/q{queues}"): queues += 1
aios = 0
for size in (10000, 1000, 100, 10, 1):
  for _ in range(20): aios += aio(size)
print("used", len(fds), watches, signals, queues, aios, terminals(4096), flush=True)
time.sleep(1000)
`;
const VICTIM = `${PRELUDE}
fd = libc.inotify_init1(0)
print("instance", fd >= 0, "watch", fd >= 0 and watch(fd, "/etc"), "timer", timer(), "queue", queue("/mine"), "aio", aio(100), "terminal", terminals(1), flush=True)
time.sleep(1000)
`;

test("one tenant uses up what it can: another's app and the node's next agent notice nothing", async () => {
  const python = (script: string) => node.instance({ args: ["python3", "-c", script], layers: catalogue("python"), readyTimeoutMs: 60_000, stopGraceMs: 0, limits: { memoryBytes: 512 * 2 ** 20 } }, testTenant());
  const [hog, victim] = [python(HOG), python(VICTIM)];
  const says = async ({ id }: typeof hog) => {
    await until(async () => node.report(id)?.phase === "starting");
    return (await node.logs(id, { until: (all) => all.length > 0 }))[0]?.text;
  };
  node.add(hog);
  const used = await says(hog);
  node.add(victim);
  assert.equal(await says(victim), "instance True watch True timer True queue True aio True terminal 1", `the other: ${used}`);
  // The rest would take too many containers to use up here.
  for (const [name, most] of Object.entries(HOST_LIMITS)) assert.ok(Number(readFileSync(fileOf(name), "utf8")) >= most, name);
  await node.killAgent();
  await node.startAgent();
});

test("the host knows the way to more neighbours than a full node has", () => {
  for (const name of ["gc_thresh1", "gc_thresh2", "gc_thresh3"]) assert.ok(Number(readFileSync(fileOf(`net/ipv4/neigh/default/${name}`), "utf8")) >= 8192, name);
});
