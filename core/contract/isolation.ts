/** Runtime classes: what stands between an app and the host's kernel. */
import { z } from "zod";

/**
 * `crun`: namespaces, control groups, seccomp. `gvisor`: a kernel of its own in user space besides; slower to start and
 * at system calls, and harder to get out of.
 */
export const IsolationSchema = z.enum(["crun", "gvisor"]);
export type Isolation = z.infer<typeof IsolationSchema>;
