/**
 * What a hostile process tries first: system calls that kernels were broken through, and files of the kernel's. One perl
 * program (perl is in every Debian image), for apps and for RUN steps alike. It prints a line for each try that worked.
 */

/** name, number on x86-64, on arm64, arguments (perl). */
const CALLS: readonly [name: string, x64: number, arm64: number, args: string][] = [
  ["new user namespace", 272, 97, "0x10000000"],
  ["new mount namespace", 272, 97, "0x20000"],
  ["new time namespace", 272, 97, "0x80"],
  ["new user namespace, x32", 0x4000_0110, 97, "0x10000000"],
  ["new user namespace by clone", 56, 220, "0x10000011, 0, 0, 0, 0"],
  ["new user namespace by clone3", 435, 435, 'pack("QQQQQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88'],
  ["another's namespace", 308, 268, "$mnt, 0x20000"],
  ["bpf", 321, 280, '0, pack("LLLL", 2, 4, 4, 1) . $zeros, 72'],
  ["io_uring", 425, 425, "4, $zeros"],
  ["userfaultfd", 323, 282, "1"],
  ["perf_event_open", 298, 241, 'pack("LLQ", 1, 112, 0) . $zeros, 0, -1, -1, 0'],
  ["keyctl", 250, 219, "0, -1, 1"],
  ["add_key", 248, 217, '$user, $user, $user, 1, -2'],
  ["open_by_handle_at", 304, 265, "$root, $zeros, 0"],
  ["fanotify_init", 300, 262, "0x200, 0"],
  ["mount", 165, 40, '"none", $dir, "tmpfs", 0, 0'],
  ["mount a cgroup hierarchy", 165, 40, '"cgroup", $dir, "cgroup", 0, "memory"'],
  ["mount proc", 165, 40, '"proc", $dir, "proc", 0, 0'],
  ["remount the root directory", 165, 40, '"none", "/", 0, 0x1020, 0'],
  ["unmount", 166, 39, '"/proc", 2'],
  ["fsopen", 430, 430, '"tmpfs", 0'],
  ["open_tree", 428, 428, '-100, "/", 1'],
  ["mount_setattr", 442, 442, '-100, "/", 0, $zeros, 32'],
  ["pivot_root", 155, 41, '"/", "/"'],
  ["init_module", 175, 105, '$zeros, 64, $zeros'],
  ["delete_module", 176, 106, '"no-such-module", 0'],
  ["kexec_load", 246, 104, "0, 0, 0, 0"],
  ["swapon", 167, 224, '"/etc/hostname", 0'],
  ["reboot", 169, 142, "0xfee1dead, 672274793, 0, 0"],
  ["acct", 163, 89, "0"],
  ["sethostname", 170, 161, '"x", 1'],
  ["the kernel's log", 103, 116, "3, $zeros, 100"],
  ["a block device", 259, 33, "-100, $disk, 060644, 0xfe00"],
  ["AF_ALG", 41, 198, "38, 5, 0"],
  ["AF_VSOCK", 41, 198, "40, 1, 0"],
  ["AF_PACKET", 41, 198, "17, 3, 0x300"],
  ["AF_KEY", 41, 198, "15, 3, 2"],
  ["AF_XDP", 41, 198, "44, 3, 0"],
  ["a raw socket", 41, 198, "2, 3, 1"],
];

const READ = [
  "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/kernel",
  "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/proc/1/root/../../../../berth-host",
];
const WRITE = [
  "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory",
  "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/pci/00/00.0", "/proc/fs/ext4", "/sys/power/state",
];

/** The program's text. */
export function hostileProgram(): string {
  const calls = CALLS.map(([name, x64, arm64, args]) => `try_call(${JSON.stringify(name)}, ${process.arch === "arm64" ? arm64 : x64}, ${args});`);
  return `use strict;
$| = 1;
our ($zeros, $user, $dir, $disk) = ("\\0" x 4096, "user", "/tmp/probe-mount", "/tmp/probe-disk");
mkdir $dir;
open(my $mnt_file, "<", "/proc/1/ns/mnt"); our $mnt = $mnt_file ? fileno($mnt_file) : -1;
open(my $root_file, "<", "/"); our $root = $root_file ? fileno($root_file) : -1;
sub worked { print "WORKED $_[0]\\n" }
# In a process of its own, which a filter may end.
sub try_call {
  my ($name, $number, @args) = @_;
  if (my $child = fork) { waitpid $child, 0; return }
  my $own = $$;
  my $result = syscall($number, @args);
  worked($name) if $result != -1 && $$ == $own;
  exit 0;
}
${calls.join("\n")}
for my $path (qw(${READ.join(" ")})) {
  if (-d $path) { opendir(my $d, $path) or next; my @in = grep { !/^\\.\\.?$/ } readdir $d; worked("read $path") if @in; next }
  open(my $f, "<", $path) or next;
  my $bytes = "";
  local $SIG{ALRM} = sub { die };
  eval { alarm 2; sysread($f, $bytes, 64); alarm 0 };
  worked("read $path") if length $bytes;
}
for my $path (qw(${WRITE.join(" ")}), glob("/sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/notify_on_release /sys/fs/cgroup/*/*limit* /sys/fs/cgroup/*.max /sys/fs/cgroup/*/pids.max /sys/fs/cgroup/*/cgroup.procs")) {
  open(my $f, "+<", $path) or next;
  worked("write $path") if defined syswrite($f, "1");
}
for my $path ("/sys/fs/cgroup", glob("/sys/fs/cgroup/*")) { worked("a group below $path") if -d $path && mkdir("$path/probe") && -e "$path/probe/cgroup.procs" }
if (open(my $f, ">", "/proc/self/oom_score_adj")) { worked("a lower chance to be ended") if defined syswrite($f, "-999") }
# A program with root's setuid bit, started by somebody else.
if ($> == 0) {
  system("cp /usr/bin/perl /tmp/setuid && chmod 4755 /tmp/setuid") == 0 or worked("no setuid program to try");
  if (!fork) { $( = 33; $) = "33 33"; $< = 33; $> = 33; exec "/tmp/setuid", "-e", 'print "WORKED setuid\\n" if $> == 0' }
  wait;
}
# A crash leaves no file.
chdir "/tmp";
if (!fork) { kill "SEGV", $$; sleep 5 }
wait;
worked("a core file") if glob("/tmp/core*");
print "tried all as $>\\n";
`;
}

/** Soft and hard limits by name, as `/proc/<pid>/limits` has them. */
export function limitsOf(text: string): Map<string, [soft: number, hard: number]> {
  const number = (word: string) => (word === "unlimited" ? Infinity : Number(word));
  const lines = text.split("\n").flatMap((line) => {
    const [, name, soft, hard] = /^\s*(Max [a-z ]*[a-z])\s+(unlimited|\d+)\s+(unlimited|\d+)/.exec(line) ?? [];
    return name === undefined || soft === undefined || hard === undefined ? [] : [[name, [number(soft), number(hard)]] as [string, [number, number]]];
  });
  return new Map(lines);
}
