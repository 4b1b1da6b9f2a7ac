/** Cpu limits as the kernel takes them: so many microseconds in each period. */
export const CPU_PERIOD_US = 100_000;

const SHARES_PER_CPU = 1024;

export function cpuQuotaUs(cpuMillis: number): number {
  return Math.max(1000, Math.round((cpuMillis * CPU_PERIOD_US) / 1000));
}

/** On a busy host each gets its part by its limit, as in Kubernetes. */
export function cpuShares(cpuMillis: number): number {
  return Math.max(2, Math.round((cpuMillis * SHARES_PER_CPU) / 1000));
}

/** The same on cgroup v2. Source: https://github.com/opencontainers/cgroups, `ConvertCPUSharesToCgroupV2Value` as crun has it. */
export function cpuWeight(cpuMillis: number): number {
  return 1 + Math.floor(((cpuShares(cpuMillis) - 2) * 9999) / 262_142);
}

/** For who writes an app's log down, beside the app: a flood of lines costs others no more than that. */
export function monitorCpuMillis(cpuMillis: number): number {
  return Math.min(250, Math.max(50, Math.round(cpuMillis / 4)));
}
