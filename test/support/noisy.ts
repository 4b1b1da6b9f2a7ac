/** Apps that take all they can get: one for each limit. Each is ready first, and then begins. */
import type { DesiredInstance } from "../../core/contract/node-channel.ts";
import { layerOf, catalogue, type TestLayer } from "./layers.ts";
import { shell, type InstanceWish } from "./node.ts";
import { tarOf } from "./contexts.ts";

const MIB = 2 ** 20;
export const LIMITS = { memoryBytes: 48 * MIB, cpuMillis: 500, pidsMax: 64, logBytes: MIB, diskBytes: 64 * MIB, inodesMax: 4096, ioBytesPerSecond: 32 * MIB, ioOperationsPerSecond: 500 } satisfies Partial<DesiredInstance["limits"]>;

const LISTEN = `
use Socket;
socket(my $listen, PF_INET, SOCK_STREAM, 0); setsockopt($listen, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listen, pack_sockaddr_in(8080, INADDR_ANY)); listen($listen, 16);
`;
/** Each does it as well. */
const FORKS = "fork while 1;";
/** Small packets to the host, to a neighbour and to nobody, as quickly as it can. */
const packets = (targets: readonly string[]) => `
socket(my $out, PF_INET, SOCK_DGRAM, 0);
my @to = map { scalar pack_sockaddr_in(8080, inet_aton($_)) } qw(${targets.join(" ")});
while (1) { send($out, "x" x 64, 0, $_) for @to }
`;

/** By what they do. `targets`: addresses that packets go to. */
export async function noisyApps(targets: readonly string[]): Promise<Record<"forks" | "memory" | "disk" | "log" | "packets", InstanceWish & { args: string[] }>> {
  const app = (script: string) => ({ args: shell(`httpd -p 8080 -h /; ${script}`), stopGraceMs: 0, limits: LIMITS });
  const perl = async (program: string) => {
    const layers: TestLayer[] = [...catalogue("debian"), layerOf(await tarOf(["app.pl", LISTEN + program]))];
    return { args: ["perl", "/app.pl"], stopGraceMs: 0, layers, limits: LIMITS };
  };
  return {
    forks: await perl(FORKS),
    memory: app("while :; do tail /dev/zero; done"),
    disk: app("while :; do dd if=/dev/zero of=/big bs=1M; sync; i=0; while touch /f$i; do i=$((i+1)); done; rm -f /big /f*; done 2>/dev/null"),
    log: app("yes 'a line of an app that says too much, as one in a loop of errors does'"),
    packets: await perl(packets(["169.254.1.1", "10.255.255.1", ...targets])),
  };
}
