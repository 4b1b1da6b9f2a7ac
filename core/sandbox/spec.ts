/**
 * OCI runtime specs of what runs on a node: tenants' instances and the helper that unpacks layers. Pure: data in, data
 * out. Source of the format: https://github.com/opencontainers/runtime-spec
 */
import { cpuQuotaUs, cpuShares } from "../domain/cpu-quota.ts";
import { IDS_PER_RANGE, LAYER_STORE_UID_BASE } from "../domain/id-ranges.ts";
import seccomp from "./seccomp.json" with { type: "json" };

/**
 * What root of an image may do within its tenant's own ids: enough for images that start as root and drop privileges
 * (nginx, PostgreSQL). Other users have none. `docs/decisions/capabilities.md`.
 */
const ROOT_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_NET_BIND_SERVICE",
];
/**
 * What programs with file capabilities may ask for without being refused, for users other than root: none gets it, as
 * nothing gains privileges. Servers in images often ask for this one, and any user may listen on any port here anyway.
 */
const BOUNDING_CAPABILITIES = ["CAP_NET_BIND_SERVICE"];
/** For writing files of any owner within the layer store's range. */
const UNPACK_CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETFCAP"];

const MASKED_PATHS = [
  "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
  "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

export interface Limits {
  memoryBytes: number;
  /** Thousandths of a cpu. */
  cpuMillis: number;
  pidsMax: number;
  /** Hard limit of open files: never above the agent's own, which could not grant it. */
  openFiles: number;
}

/** Of an instance, beside what every sandbox has. */
export interface InstanceLimits extends Limits {
  shmBytes: number;
  ioBytesPerSecond: number;
  ioOperationsPerSecond: number;
  /** Thousandths of a cpu until it is ready, when that is more. */
  startupCpuMillis?: number | undefined;
}

export interface Bind {
  source: string;
  destination: string;
  readOnly: boolean;
}

export interface InstanceSandbox {
  rootPath: string;
  hostname: string;
  args: readonly string[];
  env: readonly string[];
  cwd: string;
  user: { uid: number; gid: number; additionalGids: readonly number[] };
  /** First host id of the tenant's range. */
  uidBase: number;
  netnsPath: string;
  /** Below each hierarchy, `/berth-bth/ins_…`. */
  cgroupsPath: string;
  binds: readonly Bind[];
  limits: InstanceLimits;
  /** The disk that its reads and writes are limited on, as `254:0`; undefined: there is none. */
  ioDevice: string | undefined;
  /** gVisor: its kernel makes control groups of its own, and its threads count beside the app's. */
  hasOwnKernel: boolean;
  /** The sandbox that it shares with others, which has the namespaces and the control group. */
  sandboxId?: string | undefined;
}

export const OWN_KERNEL_PIDS = 256;

/** Source: gVisor's `runsc/specutils/cri.go`. */
const CONTAINER_TYPE = "io.kubernetes.cri.container-type";
const SANDBOX_ID = "io.kubernetes.cri.sandbox-id";

/** A tenant's container, as crun reads it from `config.json`. */
export function instanceSpec(sandbox: InstanceSandbox) {
  const [capabilities, bounding] = sandbox.user.uid === 0 ? [ROOT_CAPABILITIES, ROOT_CAPABILITIES] : [[], BOUNDING_CAPABILITIES];
  return {
    ociVersion: "1.0.2",
    hostname: sandbox.hostname,
    root: { path: sandbox.rootPath, readonly: false },
    ...(sandbox.sandboxId === undefined ? {} : { annotations: { [CONTAINER_TYPE]: "container", [SANDBOX_ID]: sandbox.sandboxId } }),
    process: {
      terminal: false,
      user: sandbox.user,
      args: sandbox.args,
      env: sandbox.env,
      cwd: sandbox.cwd,
      ...privileges(capabilities, bounding, sandbox.limits),
    },
    mounts: [
      ...kernelMounts(sandbox.limits.shmBytes),
      // The network namespace belongs to the host, so a sysfs of its own cannot be mounted: programs that count cpus
      // find them here, and nothing else of the host.
      tmpfs("/sys", "mode=755", "size=64k"),
      { destination: "/sys/devices/system/cpu", type: "bind", source: "/sys/devices/system/cpu", options: ["rbind", "ro", "nosuid", "noexec", "nodev"] },
      ...(sandbox.hasOwnKernel ? [] : [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev", "relatime"] }]),
      ...sandbox.binds.map(bindMount),
    ],
    linux: instanceLinux(sandbox),
  };
}

/** What holds a sandbox of gVisor for several containers. `rootPath`: its program and places to mount at, for all tenants. */
export function sandboxSpec(sandbox: Pick<InstanceSandbox, "rootPath" | "uidBase" | "hostname" | "netnsPath" | "cgroupsPath" | "limits" | "ioDevice">) {
  return {
    ociVersion: "1.0.2",
    hostname: sandbox.hostname,
    root: { path: sandbox.rootPath, readonly: true },
    annotations: { [CONTAINER_TYPE]: "sandbox" },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [SLEEP_FOREVER, "-P"],
      env: [],
      cwd: "/",
      ...privileges([], [], sandbox.limits),
    },
    mounts: kernelMounts(SHM_BYTES),
    linux: instanceLinux({ ...sandbox, hasOwnKernel: true }),
  };
}

/** catatonit, as the program of a root that has nothing else: podman's pods have the same. */
export const SLEEP_FOREVER = "/catatonit";
/** What must be there in such a root. */
export const SANDBOX_ROOT_DIRECTORIES = ["proc", "dev", "sys", "tmp"];

export interface UnpackSandbox {
  /** The toolchain's root file system, read-only. */
  rootPath: string;
  /** At /mnt. The only place that can be written, if that. */
  targetPath: string;
  isReadOnly?: boolean;
  /** First host id of what it writes; without it the layer store's. */
  uidBase?: number;
  args: readonly string[];
  cgroupsPath: string;
  limits: Limits;
}

/** The helper that turns a layer's bytes into files: no network, no ids of anybody, one directory to write to. */
export function unpackSpec(sandbox: UnpackSandbox) {
  return {
    ociVersion: "1.0.2",
    hostname: "unpack",
    root: { path: sandbox.rootPath, readonly: true },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: sandbox.args,
      env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
      cwd: "/",
      ...privileges(UNPACK_CAPABILITIES, UNPACK_CAPABILITIES, sandbox.limits),
    },
    mounts: [...kernelMounts(SHM_BYTES), tmpfs("/run", "mode=755", "size=1m"), bindMount({ source: sandbox.targetPath, destination: "/mnt", readOnly: sandbox.isReadOnly ?? false })],
    linux: linux(sandbox.uidBase ?? LAYER_STORE_UID_BASE, sandbox.cgroupsPath, sandbox.limits, { type: "network" }),
  };
}

function privileges(capabilities: readonly string[], bounding: readonly string[], limits: Limits) {
  return {
    noNewPrivileges: true,
    capabilities: { bounding, effective: capabilities, permitted: capabilities, inheritable: [], ambient: [] },
    rlimits: [
      { type: "RLIMIT_NOFILE", soft: Math.min(1024, limits.openFiles), hard: limits.openFiles },
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
    ],
  };
}

/** What programs expect where nothing says otherwise. */
const SHM_BYTES = 64 * 2 ** 20;

/** The host has so many terminals for all containers together: none takes more than a part. */
export const PTS_MAX = "max=256";

function kernelMounts(shmBytes: number) {
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    tmpfs("/dev", "noexec", "strictatime", "mode=755", "size=64k"),
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", PTS_MAX] },
    tmpfs("/dev/shm", "noexec", "nodev", "mode=1777", shmSize(shmBytes)),
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  ];
}

/** For tmpfs a size of 0 is none at all: one page it is then. */
const shmSize = (bytes: number) => `size=${Math.max(4, Math.floor(bytes / 1024))}k`;

function tmpfs(destination: string, ...options: string[]) {
  return { destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", ...options] };
}

function bindMount({ source, destination, readOnly }: Bind) {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", "nosuid", "nodev", readOnly ? "ro" : "rw"] };
}

/** Reads and writes each; the kernel keeps such limits by whole disk. */
function blockIo(device: string, { ioBytesPerSecond, ioOperationsPerSecond }: InstanceLimits) {
  const [major, minor] = device.split(":").map(Number);
  const bytes = [{ major, minor, rate: ioBytesPerSecond }];
  const operations = [{ major, minor, rate: ioOperationsPerSecond }];
  return { throttleReadBpsDevice: bytes, throttleWriteBpsDevice: bytes, throttleReadIOPSDevice: operations, throttleWriteIOPSDevice: operations };
}

function instanceLinux({ uidBase, cgroupsPath, limits, netnsPath, ioDevice, hasOwnKernel, sandboxId }: Pick<InstanceSandbox, "uidBase" | "cgroupsPath" | "limits" | "netnsPath" | "ioDevice" | "hasOwnKernel" | "sandboxId">) {
  const common = linux(uidBase, sandboxId === undefined ? cgroupsPath : undefined, { ...limits, pidsMax: limits.pidsMax + (hasOwnKernel ? OWN_KERNEL_PIDS : 0) }, { type: "network", path: netnsPath });
  const { resources } = common;
  const quota = cpuQuotaUs(Math.max(limits.cpuMillis, limits.startupCpuMillis ?? 0));
  return { ...common, resources: { ...resources, cpu: { ...resources.cpu, quota }, ...(ioDevice === undefined ? {} : { blockIO: blockIo(ioDevice, limits) }) } };
}

function linux(uidBase: number, cgroupsPath: string | undefined, limits: Limits, network: { type: string; path?: string }) {
  const ids = [{ containerID: 0, hostID: uidBase, size: IDS_PER_RANGE }];
  return {
    uidMappings: ids,
    gidMappings: ids,
    namespaces: [{ type: "user" }, { type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "cgroup" }, network],
    cgroupsPath,
    resources: {
      devices: [{ allow: false, access: "rwm" }, ...DEVICES],
      // Memory and swap together: what does not fit into memory is not swapped to the host's disk. Ignored by crun where the host has no swap.
      memory: { limit: limits.memoryBytes, swap: limits.memoryBytes },
      // The period is the kernel's own: to say it again, all groups would be looked through once more.
      cpu: { quota: cpuQuotaUs(limits.cpuMillis), shares: cpuShares(limits.cpuMillis) },
      pids: { limit: limits.pidsMax },
    },
    // Without a list of architectures: the native one alone.
    seccomp,
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
  };
}

const character = (major: number, minor?: number) => ({ allow: true, type: "c", major, ...(minor === undefined ? {} : { minor }), access: "rwm" });
/** null, zero, full, random, urandom, tty, ptmx, pts. */
const DEVICES = [character(1, 3), character(1, 5), character(1, 7), character(1, 8), character(1, 9), character(5, 0), character(5, 2), character(136)];
