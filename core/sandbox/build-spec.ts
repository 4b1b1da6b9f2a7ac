/**
 * The OCI runtime spec of a build: buildah inside the tenant's own user namespace, with a read-only toolchain as
 * root directory. Root in there is an ordinary user of the tenant's range outside. Pure: data in, data out.
 */
import { IDS_PER_RANGE } from "../domain/id-ranges.ts";
import { PTS_MAX } from "./spec.ts";

/** What buildah needs inside its own user namespace; none of it reaches the host. */
const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_SETFCAP",
  "CAP_SYS_ADMIN",
  "CAP_SYS_CHROOT",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_AUDIT_WRITE",
];

export interface BindMount {
  source: string;
  destination: string;
  readOnly: boolean;
}

export interface BuildSandbox {
  /** The toolchain's root file system. */
  rootPath: string;
  /** First host id of the tenant's range. */
  uidBase: number;
  args: readonly string[];
  env: readonly string[];
  /** Path of the network namespace. */
  netnsPath: string;
  /** Below each controller's hierarchy, `/berth-bth/builds/<id>`. */
  cgroupsPath: string;
  limits: { memoryBytes: number; cpuMillis: number; pidsMax: number; openFiles: number };
  binds: readonly BindMount[];
}

const CPU_PERIOD_US = 100_000;
/** A quarter of a cpu's: on a busy host apps go first, and builds take what they leave. */
const SHARES = 256;
/** The root file system is small and read-only, so nothing of a build's size lands in memory here. */
const RUN_TMPFS_BYTES = 64 * 2 ** 20;

const tmpfs = (destination: string, ...options: string[]) => ({
  destination,
  type: "tmpfs",
  source: "tmpfs",
  options: ["nosuid", "nodev", ...options],
});

/** The spec as crun reads it from `config.json`. */
export function buildSandboxSpec(sandbox: BuildSandbox): Record<string, unknown> {
  const { limits } = sandbox;
  const ids = [{ containerID: 0, hostID: sandbox.uidBase, size: IDS_PER_RANGE }];
  return {
    ociVersion: "1.0.2",
    hostname: "build",
    root: { path: sandbox.rootPath, readonly: true },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: sandbox.args,
      env: sandbox.env,
      cwd: "/",
      noNewPrivileges: true,
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES, inheritable: [] },
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: Math.min(1024, limits.openFiles), hard: limits.openFiles },
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      ],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      tmpfs("/dev", "strictatime", "mode=755", "size=65536k"),
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", PTS_MAX] },
      tmpfs("/dev/shm", "noexec", "mode=1777", "size=65536k"),
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      tmpfs("/run", "mode=755", `size=${RUN_TMPFS_BYTES}`),
      tmpfs("/tmp", "mode=1777", `size=${RUN_TMPFS_BYTES}`),
      tmpfs("/var/cache", "mode=755", `size=${RUN_TMPFS_BYTES}`),
      // Debian's aliases of short names are not Docker's: there every short name is of docker.io.
      tmpfs("/etc/containers/registries.conf.d", "ro", "size=4096"),
      ...sandbox.binds.map((bind) => ({
        destination: bind.destination,
        type: "bind",
        source: bind.source,
        options: ["rbind", "rprivate", "nosuid", "nodev", bind.readOnly ? "ro" : "rw"],
      })),
    ],
    linux: {
      uidMappings: ids,
      gidMappings: ids,
      namespaces: [
        { type: "user" },
        { type: "pid" },
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        { type: "network", path: sandbox.netnsPath },
      ],
      cgroupsPath: sandbox.cgroupsPath,
      resources: {
        devices: [{ allow: false, access: "rwm" }, ...DEVICES],
        memory: { limit: limits.memoryBytes },
        cpu: { period: CPU_PERIOD_US, quota: Math.round((limits.cpuMillis * CPU_PERIOD_US) / 1000), shares: SHARES },
        pids: { limit: limits.pidsMax },
      },
      seccomp: SECCOMP,
      maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
      readonlyPaths: ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

const device = (major: number, minor: number) => ({ allow: true, type: "c", major, minor, access: "rwm" });
/** null, zero, full, random, urandom, tty, ptmx, pts; making nodes is harmless, opening others is not allowed. */
const DEVICES = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  device(1, 3),
  device(1, 5),
  device(1, 7),
  device(1, 8),
  device(1, 9),
  device(5, 0),
  device(5, 2),
  { allow: true, type: "c", major: 136, access: "rwm" },
];

const EPERM = 1;
const EAFNOSUPPORT = 97;
const CLONE_NEWUSER = 0x1000_0000;
const family = (value: number) => ({
  names: ["socket"],
  action: "SCMP_ACT_ERRNO",
  errnoRet: EAFNOSUPPORT,
  args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
});

/**
 * Everything that a build has no use for and that kernels were broken through. buildah itself mounts, unshares and
 * changes root, so this list takes away rather than grants; its RUN steps get buildah's own, stricter profile on top.
 */
const SECCOMP = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  syscalls: [
    {
      names: [
        "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init", "finit_module",
        "fsconfig", "fsmount", "fsopen", "fspick", "get_mempolicy", "init_module", "io_uring_enter",
        "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
        "lookup_dcookie", "mbind", "migrate_pages", "move_pages", "name_to_handle_at", "nfsservctl",
        "open_by_handle_at", "perf_event_open", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl",
        // 32-bit programs reach every socket family through one call, whose arguments no filter sees: `socketcall`.
        "reboot", "request_key", "set_mempolicy", "settimeofday", "socketcall", "swapoff", "swapon", "_sysctl", "uselib",
        "userfaultfd", "ustat", "vhangup",
      ],
      action: "SCMP_ACT_ERRNO",
      errnoRet: EPERM,
    },
    { names: ["unshare", "clone"], action: "SCMP_ACT_ERRNO", errnoRet: EPERM, args: [{ index: 0, value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER, op: "SCMP_CMP_MASKED_EQ" }] },
    // clone3 hides its flags behind a pointer; programs fall back to clone on ENOSYS.
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    family(38), // AF_ALG
    family(40), // AF_VSOCK
  ],
};
