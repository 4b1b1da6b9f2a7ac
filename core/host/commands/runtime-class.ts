/** What runs a tenant's containers, as the node uses it: argument arrays alone. One for each `isolation`. */
export interface RuntimeClass {
  /** Where it keeps its state: whole specs, variables among them. */
  stateDir: string;
  /** For the monitor, which creates containers with it. */
  program: string;
  globalArgs: readonly string[];
  /** `signal` is an image's word: what begins with a hyphen is no option. */
  kill: (id: string, signal: string) => string[];
  /** Ends what runs and forgets it. */
  delete: (id: string) => string[];
  exec: (program: ExecProgram) => string[];
  /** Its exit code when it could not start the program; the program's own is told from it by its id. */
  execNotStarted: number;
  /** How a created container is started: by a program, a byte into a pipe that it waits at, or both. */
  start: (id: string, bundle: string) => { argv?: string[]; fifo?: string };
  /**
   * Between the app and the host is another kernel: the host does not see who is connected, its namespace loses its address
   * at each start, and signals to what runs inside go by `killInner`.
   */
  hasOwnKernel: boolean;
  /** `pid`: as the container's own kernel counts. */
  killInner?: (id: string, pid: number, signal: string) => string[];
  /** Several containers of one instance share a sandbox, which begins them as this class does. Without it they share the host's kernel. */
  sandboxed?: { sandbox: SandboxCommands; container: RuntimeClass };
}

/** The container that comes before all others of its sandbox. */
export interface SandboxCommands {
  create: (id: string, bundle: string, pidFile: string) => string[];
  start: (id: string) => string[];
  delete: (id: string) => string[];
}

/** One more program in a container, with the caller's streams. */
export interface ExecProgram {
  id: string;
  /** The caller's descriptor of a file with what to run, as JSON of an OCI process. */
  processFd: number;
  /** Written when it runs. */
  pidFile: string;
  /** The same, with its id inside; only where there is another kernel. */
  innerPidFile: string;
  hasTerminal: boolean;
}
