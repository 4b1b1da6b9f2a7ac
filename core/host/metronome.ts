/**
 * A kernel without preemption and without high-resolution ticks looks who should run next when its tick comes, each 4 ms with
 * HZ=250: so long a request waits at every process on its way that shares a cpu with one that works. A process of real-time
 * priority that wakes up each millisecond and sleeps again has the kernel look as often.
 */
import { start } from "./spawn.ts";

const BEAT_SECONDS = 0.001;
/** Ends by itself when who started it does. */
const BEAT = `my $parent = shift; select undef, undef, undef, ${BEAT_SECONDS} while getppid == $parent`;

export class Metronome {
  readonly #onFailure: (error: Error) => void;
  #beats: ReturnType<typeof start>[] = [];

  /** `onFailure`: a process of it has ended before `end`, or could not be started. */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  begin(cpus: readonly number[]): void {
    if (this.#beats.length > 0) return;
    this.#beats = cpus.map((cpu) => start(["chrt", "--fifo", "1", "taskset", "--cpu-list", String(cpu), "perl", "-e", BEAT, String(process.pid)], { stdio: "ignore" }));
    for (const beat of this.#beats) {
      const fail = (error: Error) => this.#beats.includes(beat) && this.#onFailure(error);
      beat.once("error", fail);
      beat.once("exit", (code, signal) => fail(new Error(`it ended with ${signal ?? `code ${code}`}`)));
      beat.unref();
    }
  }

  end(): void {
    const beats = this.#beats;
    this.#beats = [];
    for (const beat of beats) beat.kill("SIGKILL");
  }
}
