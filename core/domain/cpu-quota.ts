/** Cpu limits as the kernel takes them: so many microseconds in each period. */
export const CPU_PERIOD_US = 100_000;

export function cpuQuotaUs(cpuMillis: number): number {
  return Math.max(1000, Math.round((cpuMillis * CPU_PERIOD_US) / 1000));
}
